"""Carry a placement out at a site: render, apply, collect status, remove what is orphaned."""
