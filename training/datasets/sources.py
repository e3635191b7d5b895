"""What every form of data on disk has in common: items that are read one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from formats.files.left_out import LeftOut
from formats.images.image import Pixels
from formats.mask_crop import MaskCrop
from formats.supervisely.meta import ClassMeta

DIGEST_BYTES = 16
"""Of the hash of an annotation."""


class Labelled(NamedTuple):
    """One object.

    Attributes:
        title: its class.
        crop: its mask.
        is_crowd: it covers a group that is not told apart.
    """

    title: str
    crop: MaskCrop
    is_crowd: bool = False


class Note(NamedTuple):
    """Things of one item that were left out, or are odd, counted.

    Attributes:
        noun: what they are, singular: "object".
        reason: what goes behind the noun: "without a pixel".
        number: how many.
    """

    noun: str
    reason: str
    number: int


class Content(NamedTuple):
    """What an item's annotation says.

    Attributes:
        size: (height, width) that the annotation is for, pixels.
        objects: in the order of the file; those without a pixel are left out.
        tags: names of the image's tags.
        digest: hash of the annotation as it is on disk.
        left_out: what of it is not among the objects, and why.
        odd: what looks wrong, but is read.
    """

    size: tuple[int, int]
    objects: Sequence[Labelled]
    tags: tuple[str, ...]
    digest: bytes
    left_out: tuple[Note, ...] = ()
    odd: tuple[Note, ...] = ()


WITHOUT_A_PIXEL = "without a pixel (outside of the image, or of no area)"
LIKE_FRACTIONS = (
    "with coordinates that look like fractions of 1 (expected pixels: multiply x by "
    "the image's width and y by its height)"
)
THIN = "of under 3 points, learnt as a line"


def notes_of_objects(
    empty: int, fractions: int, thin: int = 0
) -> dict[str, tuple[Note, ...]]:
    """Returns `left_out` and `odd` of a `Content`.

    Args:
        empty: objects that draw no pixel.
        fractions: objects whose coordinates look like fractions of 1.
        thin: polygons of under three points that draw a line.
    """
    odd = (Note("object", LIKE_FRACTIONS, fractions), Note("polygon", THIN, thin))
    return {
        "left_out": (Note("object", WITHOUT_A_PIXEL, empty),) if empty else (),
        "odd": tuple(note for note in odd if note.number),
    }


class Source(Protocol):
    """Labelled images. Safe to read from many threads.

    What it raises are `FormatError`s that name the file, or `AnnotationFileError`s with
    a list of such texts.
    """

    @property
    def where(self) -> str:
        """What messages call the whole."""
        ...

    @property
    def classes(self) -> Sequence[ClassMeta]:
        """Classes of the objects, in the order of the file."""
        ...

    @property
    def tags(self) -> Sequence[str]:
        """Names of the image tags that there are."""
        ...

    @property
    def left_out(self) -> LeftOut:
        """What is there and no item, and no part of one."""
        ...

    @property
    def odd(self) -> LeftOut:
        """What looks wrong about the items' files, but is read."""
        ...

    def __len__(self) -> int:
        """Returns the number of items."""
        ...

    def name(self, index: int) -> str:
        """Returns what tells an item apart, the same on every machine."""
        ...

    def locate(self, index: int) -> str:
        """Returns what messages call the image of an item; no other is called so."""
        ...

    def content(self, index: int) -> Content:
        """Reads and draws the annotation of an item."""
        ...

    def image(self, index: int) -> Pixels:
        """Reads the image of an item, uint8[H, W, 3] RGB."""
        ...

    def encoded(self, index: int) -> bytes:
        """Reads the file of the image of an item."""
        ...

    def image_size(self, index: int) -> tuple[int, int]:
        """Reads (height, width) of an image from its header."""
        ...
