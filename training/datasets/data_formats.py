"""All forms of labelled data: a new one is a file with its `DataFormat`, named here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

from formats.files.archive import MAX_ARCHIVE_BYTES
from training.datasets.coco import COCO
from training.datasets.labelled_data import DataFormat, FilePath, LabelledData
from training.datasets.supervisely import PROJECT
from training.errors import TrainingError

DATA_FORMATS: Mapping[str, DataFormat] = {
    form.name: form
    for form in (
        PROJECT,
        COCO,
    )
}
"""Name -> form."""


def labelled_data(
    *,
    images: FilePath | None = None,
    tag: str | None = None,
    max_archive_bytes: int = MAX_ARCHIVE_BYTES,
    is_lenient: bool = False,
    **places: FilePath | Sequence[FilePath] | None,
) -> LabelledData:
    """Describes where labelled images are.

    Args:
        images: folder of the images, where the format has one.
        tag: image tag of the set that is meant; every image without it.
        max_archive_bytes: what a compressed archive may unpack to.
        is_lenient: go past what can be done without, and count it.
        places: name of a format -> its place, or its places in the order of the sets;
            one of `project` and `coco`.

    Raises:
        TrainingError: no place or several are named, or the format does not have what
            is said of it.
        TypeError: an argument names no format.
    """
    for name in places:
        if name not in DATA_FORMATS:
            raise TypeError(f"unexpected argument {name!r}")
    given = {name: place for name, place in places.items() if place is not None}
    if len(given) != 1:
        raise TrainingError(
            f"data: expected one of {' and '.join(DATA_FORMATS)}, got "
            f"{' and '.join(given) or 'none'}"
        )
    [(name, place)] = given.items()
    return LabelledData(
        DATA_FORMATS[name],
        (place,) if isinstance(place, (str, PathLike)) else tuple(place),
        images,
        tag,
        max_archive_bytes,
        is_lenient,
    )
