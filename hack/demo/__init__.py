"""`make demo`: four real clusters, the operator, and six workloads, told step by step."""
