"""How fast work goes from the hub to a member: `make bench`."""
