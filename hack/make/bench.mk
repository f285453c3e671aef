# Benchmarks: docs/benchmarks.md.

bench: $(READY) ## Dispatch: throughput, latency, CPU and memory, into .bench/dispatch.json
	@$(PYTHON) -m bench

.PHONY: bench
