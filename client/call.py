"""One call of the client: what its mode sends, in requests that share a deadline."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass

from client.errors import ConnectError, ImageError, ServerError
from client.image import LoadedImage
from client.rect import Rect
from client.transport.answer import ServedDetections
from client.transport.refusal import is_split
from client.transport.remote_model import RemoteModel
from formats.images.image import Pixels

MAX_REQUEST_BYTES = 1 << 26
"""Pixels of one request, unless a single crop has more."""


@dataclass(frozen=True)
class Limits:
    """Bounds of what a call sends.

    Attributes:
        batch_size: crops in one request.
        in_flight: such requests under way at a time.

    Raises:
        ValueError: one of them is below 1.
    """

    batch_size: int = 8
    in_flight: int = 4

    def __post_init__(self) -> None:
        for name in ("batch_size", "in_flight"):
            if (number := getattr(self, name)) < 1:
                raise ValueError(f"{name}: expected >= 1, got {number}")


class Call:
    """One call: has a server answer to the plan of a mode.

    Attributes:
        versions: model versions that answered.
    """

    def __init__(
        self,
        model: RemoteModel,
        pool: Executor,
        limits: Limits,
        max_pixels: int,
        timeout_s: float | None,
    ) -> None:
        """Sends nothing yet.

        Args:
            model: who is asked.
            pool: runs the requests of crops.
            limits: bounds of these.
            max_pixels: of what the model sees at once.
            timeout_s: seconds for everything; None for no limit.
        """
        self._model = model
        self._pool = pool
        self._limits = limits
        self._max_pixels = max_pixels
        self._end = None if timeout_s is None else time.monotonic() + timeout_s
        self.versions: set[int | None] = set()

    def detect(self, image: LoadedImage) -> ServedDetections:
        """Returns what the model finds in an image."""
        return self._request([image])[0]

    def detect_crops(
        self, image: LoadedImage, crops: Sequence[Rect]
    ) -> list[ServedDetections]:
        """Returns what the model finds in each crop, in the frame of that crop.

        Crops travel as pixels; those of one size share requests.
        """
        if not crops:
            return []
        self._check_sizes(image, crops)
        pixels = image.rgb()
        found: dict[int, ServedDetections] = {}
        waiting: deque[tuple[list[int], Future[list[ServedDetections]]]] = deque()

        def collect() -> None:
            indices, future = waiting.popleft()
            try:
                answers = future.result()
            except CancelledError as err:
                raise ConnectError(f"{image.name}: the client is closed") from err
            found.update(zip(indices, answers, strict=True))

        try:
            for indices in plan_batches(crops, self._limits.batch_size):
                batch = [_cut(image.name, pixels, crops[i]) for i in indices]
                waiting.append((indices, self._submit(batch)))
                if len(waiting) >= self._limits.in_flight:
                    collect()
            while waiting:
                collect()
        finally:
            for _, future in waiting:
                future.cancel()
        return [found[index] for index in range(len(crops))]

    def _submit(self, batch: Sequence[LoadedImage]) -> Future[list[ServedDetections]]:
        try:
            return self._pool.submit(self._request, batch)
        except RuntimeError as err:  # the pool's word for being shut down
            raise ConnectError(f"{batch[0].name}: the client is closed") from err

    def _check_sizes(self, image: LoadedImage, crops: Sequence[Rect]) -> None:
        height, width = max((crop.size for crop in crops), key=lambda s: s[0] * s[1])
        if height * width > self._max_pixels:
            raise ImageError(
                f"{image.name}: expected at most {self._max_pixels:,} "
                f"pixels, got a part of {width} x {height}; choose smaller parts"
            )

    def _request(self, images: Sequence[LoadedImage]) -> list[ServedDetections]:
        """Sends images in one request, or one by one where that is refused."""
        try:
            found = self._model.detect(images, self._left_s())
        except ServerError as err:
            if len(images) == 1 or not is_split(err.code, err.details):
                raise
            found = [self._request([image])[0] for image in images]
        self.versions.update(detections.version for detections in found)
        return found

    def _left_s(self) -> float | None:
        return None if self._end is None else max(0.0, self._end - time.monotonic())


def plan_batches(crops: Sequence[Rect], batch_size: int) -> Iterator[list[int]]:
    """Yields indices of crops that go in one request: of one size, and not too many."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for index, crop in enumerate(crops):
        by_size.setdefault(crop.size, []).append(index)
    for (height, width), indices in by_size.items():
        fitting = MAX_REQUEST_BYTES // (height * width * 3)
        count = max(1, min(batch_size, fitting))
        for start in range(0, len(indices), count):
            yield indices[start : start + count]


def _cut(name: str, pixels: Pixels, crop: Rect) -> LoadedImage:
    part = pixels[crop.top : crop.bottom, crop.left : crop.right]
    return LoadedImage(name, crop.size, pixels=part)
