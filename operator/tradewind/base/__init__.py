"""What every other package may lean on: errors, time, supervised tasks, logs and metrics."""
