"""The pure core: `plan(snapshot, now, config)` chooses site, accelerator class and hour."""
