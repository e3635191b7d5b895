"""Overlay images of a run: PNG files `OUTPUT/overlay/<image>`."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from client.result import Result
from client.runs.run import Summary
from client.runs.run_folder import RunFolder
from client.runs.work import Work

if TYPE_CHECKING:
    from client.drawing import ColorBy

PNG = ".png"
MARK = ".overlay"
"""Goes before the extension where an image has none."""
EXTENSIONS = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".heic",
        ".heif",
        ".j2k",
        ".jp2",
        ".jpeg",
        ".jpg",
        ".mpo",
        ".tif",
        ".tiff",
        ".webp",
    }
)
"""Names of images, PNG aside."""
OVERLAYS = "overlay"
"""Folder of the overlays."""


class Overlays:
    """Draws what was found over each image; see `Extra`."""

    is_made = False

    def __init__(self, work: Work, color_by: ColorBy = "class") -> None:
        """Prepares, writes nothing.

        Args:
            work: the images.
            color_by: what has a colour of its own, see `Result.draw`.
        """
        self._work = work
        self._color_by = color_by

    def targets(self, index: int) -> list[str]:
        """See `Extra`."""
        return [f"{OVERLAYS}/{overlay_name(self._work.label(index))}"]

    def write(self, folder: RunFolder, index: int, result: Result) -> None:
        """See `Extra`."""
        from client.drawing import encode_drawing  # brings OpenCV

        (target,) = self.targets(index)
        drawn = result.draw(scale=None, color_by=self._color_by)
        folder.write(target, encode_drawing(drawn, PNG))

    def finish(self, folder: RunFolder, summary: Summary) -> None:
        """See `Extra`; every image has its own."""


def overlay_name(label: str) -> str:
    """Returns what the overlay of an image is called.

    `x.png` keeps its name, `x.jpg` becomes `x.jpg.png`, and `x` `x.overlay.png`. It
    depends on no other image, and no two images share it: `x.jpg.png` becomes
    `x.jpg.png.png`.
    """
    path = PurePosixPath(label)
    extension, inner = path.suffix.lower(), PurePosixPath(path.stem).suffix.lower()
    if extension == PNG and inner not in {*EXTENSIONS, PNG, MARK}:
        return label
    if extension == PNG or extension in EXTENSIONS:
        return label + PNG
    return label + MARK + PNG
