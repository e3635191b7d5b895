"""The serving contract, its messages, and the embedded server."""
