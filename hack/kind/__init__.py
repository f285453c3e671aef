"""The local federation on kind: the same members, nodes and signals, with containers beneath."""
