"""What a template of each kind means: pods, requests, suspension, status."""
