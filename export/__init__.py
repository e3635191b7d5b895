"""Checkpoint to SavedModel."""
