"""Overlay pictures of a run: `OUTPUT/overlay/<picture>.png`."""

from __future__ import annotations

from client.batch import Summary
from client.result import Result
from client.run_folder import RunFolder
from client.work import Work

OVERLAYS = "overlay"
"""Folder of the overlays."""


class Overlays:
    """Draws what was found over each picture; see `Extra`."""

    is_made = False

    def __init__(self, work: Work) -> None:
        self._work = work

    def targets(self, index: int) -> list[str]:
        """See `Extra`."""
        return [f"{OVERLAYS}/{self._work.label(index)}.png"]

    def write(self, folder: RunFolder, index: int, result: Result) -> None:
        """See `Extra`."""
        import cv2  # drawing brings it anyway

        (target,) = self.targets(index)
        bgr = result.draw()[..., ::-1]
        folder.write(target, cv2.imencode(".png", bgr)[1].tobytes())

    def finish(self, folder: RunFolder, summary: Summary) -> None:
        """See `Extra`; every picture has its own."""


__all__ = ["OVERLAYS", "Overlays"]
