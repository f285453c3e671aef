# Benchmarks: docs/benchmarks.md.

bench: $(READY) ## Dispatch: throughput, latency, CPU and memory, into .bench/dispatch.json
	@$(PYTHON) -m bench

.PHONY: bench

bench-telemetry: $(READY) ## Telemetry: CPU and memory of watching 200 sites, into .bench/telemetry.json
	@$(PYTHON) -m bench.telemetry

.PHONY: bench-telemetry
