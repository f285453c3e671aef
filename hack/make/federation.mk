# A federation to try things on: docs/local-federation.md.

SPEC ?= hack/federation/specs/demo.yaml

federation-up: $(READY) ## Start a federation and leave it up (SPEC=file)
	@$(PYTHON) -m federation up --spec $(SPEC)

federation-status: $(READY) ## Show what runs of it
	@$(PYTHON) -m federation status

federation-down: ## Stop it
	@if [ -e $(READY) ]; then $(PYTHON) -m federation down; fi

.PHONY: federation-up federation-status federation-down
