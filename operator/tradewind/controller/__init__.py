"""The operator's process: hub watches, store, planning loop, status writer, lease, probes."""
