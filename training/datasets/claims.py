"""What an annotation claims, checked before memory is taken for it."""

from __future__ import annotations

from collections.abc import Callable

from formats.errors import AnnotationFileError
from formats.mask_crop import MaskCrop

LARGE_PIXELS = 1 << 26
"""Of an image; larger ones are believed when the file of the image has that size."""
MOST_MASK_PIXELS = 1 << 31
"""Of all objects of an image together, one byte each."""


def check_large(
    name: str, size: tuple[int, int], read_size: Callable[[], tuple[int, int]]
) -> None:
    """Checks the size of a large image against its file.

    Args:
        name: of the image, for messages.
        size: (height, width) that its annotation is for.
        read_size: reads (height, width) from the file.

    Raises:
        AnnotationFileError: the image has another size.
        FormatError: it cannot be read.
    """
    if size[0] * size[1] <= LARGE_PIXELS:
        return
    seen = read_size()
    if seen != size:
        raise AnnotationFileError(size_problem(name, seen, size))


class MaskRoom:
    """Counts the pixels of an image's masks while they are drawn."""

    def __init__(self, name: str) -> None:
        """Starts with none.

        Args:
            name: of the image, for messages.
        """
        self._name = name
        self._pixels = 0

    def add(self, crop: MaskCrop) -> None:
        """Adds one.

        Raises:
            AnnotationFileError: they are too many to be held.
        """
        self._pixels += crop.mask.size
        if self._pixels > MOST_MASK_PIXELS:
            raise AnnotationFileError(
                f"{self._name}: expected masks of at most {MOST_MASK_PIXELS:,} pixels "
                "in all, got more; cut the image into smaller ones"
            )


def size_problem(name: str, seen: tuple[int, int], expected: tuple[int, int]) -> str:
    """Returns the problem of an image of another size than its annotation.

    Args:
        name: of the image.
        seen: (height, width) of the image as people see it.
        expected: (height, width) of the annotation.
    """
    hint = "annotate this picture, or put the annotated one here"
    if seen == expected[::-1]:
        hint = "the annotation lies on its side; is the EXIF orientation right?"
    return (
        f"{name}: the picture has {seen[1]} x {seen[0]} pixels, its annotation is for "
        f"{expected[1]} x {expected[0]}; {hint}"
    )
