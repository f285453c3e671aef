# A federation to try things on: docs/local-federation.md.

SPEC ?= hack/federation/specs/demo.yaml
DIR ?= .federation

federation-up: $(READY) ## Start a federation and leave it up (SPEC=file)
	@$(PYTHON) -m federation up --spec $(SPEC) --dir $(DIR)

federation-status: $(READY) ## Show what runs of it
	@$(PYTHON) -m federation status --dir $(DIR)

federation-down: ## Stop it
	@if [ -e $(READY) ]; then $(PYTHON) -m federation down --dir $(DIR); fi

.PHONY: federation-up federation-status federation-down

kind-up: $(READY) ## The same federation on kind, where Docker runs (SPEC=file)
	@$(PYTHON) -m kind up --spec $(SPEC)

kind-status: $(READY) ## Which of its clusters kind has
	@$(PYTHON) -m kind status

kind-down: $(READY) ## Delete them
	@$(PYTHON) -m kind down

.PHONY: kind-up kind-status kind-down
