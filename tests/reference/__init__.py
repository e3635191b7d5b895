"""Slow and obvious numpy versions of the in-graph ops, used as oracles."""
