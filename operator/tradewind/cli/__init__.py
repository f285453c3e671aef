"""The `tradewind` and `kubectl tradewind` commands."""
