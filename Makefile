# Everything a contributor or a curious reader runs; `make help` lists it. The recipes by theme are
# in hack/make/.

SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
PYTHON := $(VENV)/bin/python
# The interpreter that makes the virtual environment; any of 3.11 or newer.
BASE_PYTHON ?= python3
export PYTHONPATH := operator:hack:.

READY := $(VENV)/.ready

include $(sort $(wildcard hack/make/*.mk))

help: ## This list
	@awk 'BEGIN {FS = ":[^#]*## "; print "make TARGET, where TARGET is one of"} \
	  /^[a-z][-a-z]*:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements/dev.lock
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with BASE_PYTHON=..."; exit 1; }
	@test ! -L $(VENV) || \
	  { echo "$(VENV) is a link, and what it leads to would be emptied; make it there"; exit 1; }
	@echo "making $(VENV) from requirements/dev.lock (about a minute when nothing is cached)"
	@$(BASE_PYTHON) -m venv --clear $(VENV)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements/dev.lock
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps \
	  --no-build-isolation --editable .
	@touch $@

venv: $(READY) ## The virtual environment that everything else uses

tools: $(READY) ## Find or build the control-plane programs
	@$(PYTHON) -m federation tools

lock: $(READY) ## Resolve requirements/ anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --all-extras pyproject.toml \
	  requirements/build.in -o requirements/dev.lock --upgrade
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate requirements/go.in \
	  -o requirements/go.lock

clean: federation-down demo-stop ## Stop what is up and remove what was made here
	rm -rf $(VENV) .demo .federation .bench .mypy_cache .ruff_cache .pytest_cache \
	  .import_linter_cache .hypothesis build dist site

.PHONY: help venv tools lock clean
