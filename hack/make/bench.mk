# Benchmarks: docs/benchmarks.md.

bench: $(READY) ## Dispatch: throughput, latency, CPU and memory, into .bench/dispatch.json
	@$(PYTHON) -m bench

bench-engine: $(READY) ## Placement: plan time and cost over the LP bound, into .bench/engine.json
	@$(PYTHON) -m bench.engine

bench-simulate: $(READY) ## Policies against baselines on traces in DATA (ONLY='gaia*'), into .bench/simulate.json
	@test -n "$(DATA)" || { echo "say where the traces are: make bench-simulate DATA=folder"; exit 2; }
	@$(PYTHON) -m bench.simulation "$(DATA)" --only "$(or $(ONLY),*)"

.PHONY: bench bench-engine bench-simulate

bench-telemetry: $(READY) ## Telemetry: CPU and memory of watching 200 sites, into .bench/telemetry.json
	@$(PYTHON) -m bench.telemetry

.PHONY: bench-telemetry
