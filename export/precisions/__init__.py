"""What a network may be served in: one file each, and a line in this table."""

from export.precisions.float32 import FLOAT32

PRECISIONS = {precision.name: precision for precision in (FLOAT32,)}
"""By the name that `model_info` has."""

__all__ = ["PRECISIONS"]
