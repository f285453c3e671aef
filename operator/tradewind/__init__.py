"""Tradewind: many Kubernetes clusters as one computing power network."""

__version__ = "0.1.0"
