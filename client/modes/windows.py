"""Plans the windows that slide over an image.

Frame: the image, pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from client.errors import ModeError
from client.rect import Rect


class Windows(NamedTuple):
    """Windows of one size.

    Attributes:
        size: (height, width), pixels, each 1 or more.
        overlap: (vertical, horizontal) pixels that neighbours share at least; less than
            the size.
    """

    size: tuple[int, int] = (128, 128)
    overlap: tuple[int, int] = (0, 0)

    def plan(self, image_size: tuple[int, int]) -> list[Rect]:
        """Returns the windows, row by row; the last ones touch the image's border.

        Args:
            image_size: (height, width) of the image, pixels.

        Raises:
            ModeError: a window is larger than the image.
        """
        height, width = self.size
        if height > image_size[0] or width > image_size[1]:
            raise ModeError(
                f"sliding window: expected a picture of at least {width} x {height} "
                f"pixels, the size of a window, got {image_size[1]} x {image_size[0]}; "
                "make the window smaller"
            )
        lefts = list(_starts(image_size[1], width, width - self.overlap[1]))
        return [
            Rect(top, left, top + height, left + width)
            for top in _starts(image_size[0], height, height - self.overlap[0])
            for left in lefts
        ]


def _starts(side: int, window: int, stride: int) -> Iterator[int]:
    """Yields where windows begin; the last is moved back to end with the side."""
    last = side - window
    yield from range(0, last, stride)
    yield last
