"""Errors of the export."""

from __future__ import annotations


class ExportError(Exception):
    """An export that cannot be done, or that failed its own verification."""
