# Tests and checks.

PYTEST := $(PYTHON) -m pytest
CODE := operator hack tests

test: lint test-unit test-integration ## Every check and every test

test-unit: $(READY) ## Tests of the pure core and of modules alone
	$(PYTEST) -q tests/unit tests/property

test-integration: $(READY) ## Tests on real control planes, chaos among them
	@$(PYTHON) -m federation tools
	$(PYTEST) -q tests/integration tests/chaos

lint: $(READY) ## ruff, mypy, import contracts, spelling, generated files
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/mypy operator/tradewind hack
	$(VENV)/bin/lint-imports --cache-dir .import_linter_cache
	$(VENV)/bin/codespell --quiet-level 2 README.md CHANGELOG.md CONTRIBUTING.md docs designs $(CODE)
	$(PYTHON) -m tradewind.api.crdgen --check
	$(PYTHON) hack/chart.py --check
	$(PYTHON) hack/nfd.py --check

fmt: $(READY) ## Format the code and mend what can be mended
	$(VENV)/bin/ruff check --fix $(CODE)
	$(VENV)/bin/ruff format $(CODE)

generate: $(READY) ## Write crds/, docs/api.md, and the chart's copies from the models
	$(PYTHON) -m tradewind.api.crdgen
	$(PYTHON) hack/chart.py
	$(PYTHON) hack/nfd.py

docs: $(READY) ## Build the documentation, strictly
	$(VENV)/bin/mkdocs build --strict --quiet

.PHONY: test test-unit test-integration lint fmt generate docs
