# The demo: the whole of Tradewind on this machine, in half a minute once the programs are built.

demo: $(READY) ## Four real clusters, the operator and six workloads (KEEP=1 leaves them up)
	@KEEP=$(KEEP) $(PYTHON) -m demo

demo-stop: ## Stop a demo that was kept
	@if [ -e $(READY) ]; then $(PYTHON) -m demo stop; fi

.PHONY: demo demo-stop
