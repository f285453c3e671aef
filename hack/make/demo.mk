# The demo: the whole of Tradewind on this machine, in about a minute once the programs are built.

demo: ## Four real clusters, the operator and six workloads (KEEP=1 leaves them up)
	@PYTHONPATH=operator:hack KEEP=$(KEEP) $(PYTHON) -m demo

demo-stop: ## Stop a demo that was kept
	@PYTHONPATH=operator:hack $(PYTHON) -m demo stop

.PHONY: demo demo-stop
