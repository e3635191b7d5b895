"""What a set of labelled images looks like before training."""

from training.inspection.inspect import inspect_data

__all__ = ["inspect_data"]
