"""Weights before and after training: initial ones, checkpoints."""
