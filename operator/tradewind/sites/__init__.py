"""Member clusters: safe access, sessions, informers, inventory, health, joining and leaving."""
