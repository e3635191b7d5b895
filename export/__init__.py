"""Checkpoint to SavedModel: `export.pipeline.export_model` and `python -m export`."""

from export.errors import ExportError

__all__ = ["ExportError"]
