"""What Prometheus says of each site, and how sure we are of it."""
