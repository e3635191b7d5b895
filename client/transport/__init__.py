"""The wire: connections, repeated calls, what a model says of itself, its answers."""
