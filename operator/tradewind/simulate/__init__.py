"""Replays traces through the planning function of `placement`, in simulated time."""
