"""Report of a run: one HTML file with counts, scores and a gallery, to read offline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from client.errors import OutputError
from client.result import Result
from client.runs.run import Summary
from client.runs.run_folder import SCRATCH, RunFolder
from client.runs.work import Work, json_bytes, read_kept
from client.transport.served_model import ServedModel
from formats.files.writing import writing

if TYPE_CHECKING:
    from formats.report.report import Card

THUMBNAIL_PX = 480
MOST_CARDS = 1000
"""Images in the gallery; of more, so many are taken, evenly spread."""
MOST_FAILURES = 50
BINS = 20
"""Columns of the histogram of scores."""


class ReportFile:
    """Collects thumbnails and what was found; see `Extra`."""

    def __init__(self, path: Path, work: Work, model: ServedModel, title: str) -> None:
        """Prepares, writes nothing.

        Args:
            path: the file to make.
            work: the images.
            model: who is asked.
            title: of the page.
        """
        self._path = path
        self._work = work
        self._model = model
        self._title = title
        self._step = -(-len(work) // MOST_CARDS)

    @property
    def is_made(self) -> bool:
        """See `Extra`."""
        return self._path.is_file()

    def targets(self, index: int) -> list[str]:
        """See `Extra`."""
        name = f"{SCRATCH}/report/{self._work.label(index)}"
        if index % self._step:
            return [f"{name}.json"]
        return [f"{name}.webp", f"{name}.json"]

    def write(self, folder: RunFolder, index: int, result: Result) -> None:
        """See `Extra`."""
        *thumbnails, found = self.targets(index)
        for target in thumbnails:
            folder.write(target, _thumbnail(result))
        content = {
            "size": result.image_size,
            "found": [(i.class_name, i.confidence) for i in result.instances],
            "colors": {
                i.class_name: result.colors.get(i.class_id, "")
                for i in result.instances
            },
        }
        folder.write(found, json_bytes(content))

    def finish(self, folder: RunFolder, summary: Summary) -> None:
        """See `Extra`."""
        from formats.report.report import (  # brings OpenCV and Jinja2
            Bars,
            Facts,
            Gallery,
            Histogram,
            Notices,
            Section,
            write_report,
        )

        counts: Counter[str] = Counter()
        bins = np.zeros(BINS, np.int64)
        colors: dict[str, str] = {}
        images = 0
        for _, content in self._read_all(folder):
            images += 1
            counts.update(title for title, _ in content["found"])
            scores = [score for _, score in content["found"] if score == score]
            bins += np.histogram(scores, BINS, (0, 1))[0]
            colors |= content["colors"]
        titles = [title for title, _ in counts.most_common()]
        model = self._model
        facts = Facts(
            {
                "Pictures": images,
                "Failed": len(summary.failed),
                "Instances": counts.total(),
                "Classes found": len(titles),
                "Model": f"{model.name} {model.version or ''}".strip(),
            }
        )
        notices = Notices([*summary.told(), *_failures(summary)])
        bars = Bars(
            "Instances of each class",
            titles,
            {"instances": [counts[title] for title in titles]},
            colors,
        )
        histogram = Histogram(
            "Scores",
            np.linspace(0, 1, BINS + 1).tolist(),
            {"instances": bins.tolist()},
            unit="score",
        )
        note = ""
        if self._step > 1:
            note = f"Every {self._step}th picture; counts above are of all."
        gallery = Gallery("Pictures", self._cards(folder), note, colors, THUMBNAIL_PX)
        blocks = (facts, notices, Section([bars, histogram]), gallery)
        with writing(self._path, OutputError):
            write_report(self._path, self._title, str(folder.path), blocks)

    def _cards(self, folder: RunFolder) -> Iterator[Card]:
        from formats.report.report import Card

        for index, content in self._read_all(folder):
            if index % self._step:
                continue
            height, width = content["size"]
            yield Card(
                self._work.label(index),
                _decode(folder.path / self.targets(index)[0]),
                [(t, s if s == s else None) for t, s in content["found"]],
                {"Size": f"{width} x {height}"},
            )

    def _read_all(self, folder: RunFolder) -> Iterator[tuple[int, Any]]:
        """Yields what is known of each image that did not fail."""
        for index in range(len(self._work)):
            target = self.targets(index)[-1]
            if folder.has(target):
                yield index, read_kept(folder, target)


def _thumbnail(result: Result) -> bytes:
    """Returns the image, small, with all that was found drawn in."""
    import cv2  # drawing brings it anyway

    drawn = result.draw(labels=False, scale=None)  # the cards list what was found
    height, width = drawn.shape[:2]
    scale = min(1.0, THUMBNAIL_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    return bytes(
        cv2.imencode(".webp", small[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 90])[1]
    )


def _decode(path: Path) -> Any:
    import cv2

    bgr = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(bgr)[..., ::-1]


def _failures(summary: Summary) -> list[str]:
    told = [error for _, error in summary.failed[:MOST_FAILURES]]
    more = len(summary.failed) - len(told)
    return [*told, f"and {more} more failures"] if more else told
