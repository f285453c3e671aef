"""The five kinds of `tradewind.dev/v1alpha1` as pydantic models, the single source of `crds/`."""
