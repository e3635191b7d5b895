"""The serving contract, its messages, the embedded server, and what programs share."""
