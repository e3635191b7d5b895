"""How large an answer can be that keeps the serving contract."""

from __future__ import annotations

from collections.abc import Sequence

from serving import contract

WIRE_LIMIT = (1 << 31) - 1
"""No message is larger."""
FRAME_BYTES = 1 << 16
"""For names of outputs, the model's name, gRPC's own."""
ROW_BYTES = 128
"""Box, score and class id of a row, as typed fields, and the frames of its texts."""
PNG_BYTES = 4096
"""Headers and texts of a mask's PNG."""
RUN_BYTES = 16
"""What deflate takes at most for a change of value in a row of a mask, twice over."""


def answer_limit(info: contract.ModelInfo, sizes: Sequence[tuple[int, int]]) -> int:
    """Returns the most bytes that a model may answer to images.

    Args:
        info: of the model.
        sizes: (height, width) of the images that are sent, pixels.
    """
    name = max((len(c.title.encode()) for c in info.classes), default=0)
    total = FRAME_BYTES + sum(
        info.max_detections * (ROW_BYTES + name + mask_limit(size, info.mask_size))
        for size in sizes
    )
    return min(total, WIRE_LIMIT)


def mask_limit(size: tuple[int, int], mask_size: int) -> int:
    """Returns the most bytes that the PNG of a mask takes.

    A mask is drawn from M x M values, so a row of it changes its value no more than a
    few times for each of these; where the image is small, the pixels are fewer.

    Args:
        size: (height, width) of the image, pixels.
        mask_size: M.
    """
    height, width = size
    plain = height * (width + 1) * 1.01
    drawn = height * (RUN_BYTES * (mask_size + 2) + width / 32)
    return PNG_BYTES + int(min(plain, drawn))
