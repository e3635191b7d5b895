"""What a folder holds where a Supervisely project of images was expected."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from formats.files.left_out import LeftOut, counted, named

META = "meta.json"
SHOWN = 3
"""Names that a message quotes."""

_IMAGES_FOLDER = re.compile(r"(?:[^/]+/)+images/[^/]+")
_TYPES = {
    "videos": "videos",
    "volumes": "volumes",
    "point_clouds": "point clouds",
    "point_cloud_episodes": "episodes of point clouds",
}
"""`projectType` of a meta -> what such a project is of."""
_FOLDERS = {
    "video": "videos (video/)",
    "volume": "volumes (volume/)",
    "pointcloud": "point clouds (pointcloud/)",
}
"""Folder of a dataset -> what such a project is of."""
_OTHERS = (
    (
        r"(?:.*/)?(?:instances_[^/]*|[^/]*coco[^/]*)\.json",
        "a COCO file; name it with --coco",
    ),
    (r"(?:.*/)?Annotations/[^/]+\.xml", "Pascal VOC (Annotations/*.xml)"),
    (r"(?:.*/)?labels/[^/]+\.txt", "YOLO (labels/*.txt)"),
)
_IMAGE = re.compile(
    r".*\.(?:avif|bmp|gif|heic|heif|jfif|jp2|jpe?g|mpo|png|tiff?|webp)", re.IGNORECASE
)


def expected_layout() -> str:
    """Returns what a project looks like, for messages."""
    return f"{META}, <dataset>/img/<image> and <dataset>/ann/<image>.json"


def misplaced(paths: Sequence[str], left_out: LeftOut) -> None:
    """Counts images of datasets that lie in `images/`.

    Args:
        paths: of all files within the project.
        left_out: gets them.
    """
    for path in paths:
        if _IMAGES_FOLDER.fullmatch(path):
            left_out.add("file", "in images/, where img/ is expected", path)


def found_layout(paths: Sequence[str], project_type: Any, left_out: LeftOut) -> str:
    """Says what is there in place of images in `img/`.

    Args:
        paths: of all files, sorted.
        project_type: what the meta says.
        left_out: what was left out so far.
    """
    told = []
    if isinstance(project_type, str) and project_type in _TYPES:
        told.append(f"a Supervisely project of {_TYPES[project_type]}; convert it")
    parts: Counter[str] = Counter()
    for path in paths:
        parts.update({part for part in path.split("/")[:-1] if part in _FOLDERS})
    told += [f"a Supervisely project of {_FOLDERS[part]}; convert it" for part in parts]
    for pattern, what in _OTHERS:
        there = [path for path in paths if re.fullmatch(pattern, path)]
        if there:
            told.append(f"what looks like {what}: {named(there[:SHOWN], len(there))}")
    inner = [path.rpartition("/")[0] for path in paths if path.endswith(f"/{META}")]
    if inner:
        told.append(f"{META} in {named(inner[:SHOWN], len(inner))}; name that folder")
    if any(path.startswith(("img/", "ann/")) for path in paths):
        told.append("img/ or ann/ outside of a dataset; put them into a folder")
    told += left_out.lines()
    if told:
        return f"found {'; '.join(told)}"
    images = [path for path in paths if _IMAGE.fullmatch(path)]
    if images:
        folders = sorted({path.rpartition("/")[0] or "." for path in images})
        return (
            f"found {counted(len(images), 'image')} in "
            f"{named(folders[:SHOWN], len(folders))}, without annotations beside them; "
            "python -m client takes a folder of images as it is, without --project"
        )
    if not paths:
        return "found nothing"
    return (
        f"found {counted(len(paths), 'file')}: {named(list(paths[:SHOWN]), len(paths))}"
    )
