"""Real Kubernetes control planes on one machine, without containers."""
