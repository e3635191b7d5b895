"""Reads every item once before a training, and says what is wrong with the data.

What is remembered of an item is small: its tags, how many instances it has, a hash.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np

from formats.errors import AnnotationFileError, FormatError
from training.datasets.claims import size_problem
from training.datasets.classes import ClassMap
from training.datasets.sources import Content, Labelled, Note, Source

MAX_WORKERS = 8
_AHEAD = 64
"""Items that wait for their turn; keeps memory bounded."""

T = TypeVar("T")


class ImageFacts(NamedTuple):
    """What is remembered of an item.

    Attributes:
        tags: names of the image's tags.
        size: (height, width) of its annotation, pixels.
        instances: class title -> number of objects that can be learnt.
        digest: hash of its annotation.
        left_out: what of its annotation is not among the instances, and why.
        odd: what looks wrong, but is learnt.
    """

    tags: tuple[str, ...]
    size: tuple[int, int]
    instances: Mapping[str, int]
    digest: bytes
    left_out: tuple[Note, ...] = ()
    odd: tuple[Note, ...] = ()

    @property
    def has_instances(self) -> bool:
        """Says whether there is anything to learn."""
        return bool(self.instances)


class Findings(NamedTuple):
    """What a reading of annotations or images gave.

    Attributes:
        facts: index of an item -> what is remembered; broken items are not in it.
        problems: which file, what, how to mend it.
    """

    facts: dict[int, ImageFacts]
    problems: list[str]


def read_facts(source: Source, classes: ClassMap) -> Findings:
    """Reads every annotation.

    Args:
        source: the items.
        classes: titles of the background and the neutral class are not counted.
    """
    learnt = frozenset(classes.foreground)
    background = classes.background

    def read(index: int) -> ImageFacts:
        return _facts(source.content(index), learnt, background)

    findings = Findings({}, [])
    for index, result in _map(_caught(read), range(len(source))):
        if isinstance(result, ImageFacts):
            findings.facts[index] = result
        else:
            findings.problems.extend(result)
    return findings


def check_images(
    source: Source, sizes: Mapping[int, tuple[int, int] | None], *, decode: bool
) -> list[str]:
    """Returns a problem for every image that cannot be used.

    Args:
        source: the items.
        sizes: index of an item -> (height, width) of its annotation, None where that
            is not known.
        decode: read whole images; headers only otherwise.
    """

    def check(index: int) -> str | None:
        if decode:
            height, width = source.image(index).shape[:2]
        else:
            height, width = source.image_size(index)
        expected = sizes[index]
        if expected is None or (height, width) == expected:
            return None
        return size_problem(source.locate(index), (height, width), expected)

    problems: list[str] = []
    for _, result in _map(_caught(check), sizes):
        if isinstance(result, str):
            problems.append(result)
        elif result is not None:
            problems.extend(result)
    return problems


def _facts(
    content: Content, learnt: frozenset[str], background: str | None
) -> ImageFacts:
    instances: dict[str, int] = {}
    behind = 0
    for found in content.objects:
        if found.title in learnt and not found.is_crowd:
            instances[found.title] = instances.get(found.title, 0) + 1
        behind += found.title == background
    left_out, odd = content.left_out, content.odd
    if behind:
        reason = f'of class "{background}", which is taken as background'
        left_out = (*left_out, Note("object", reason, behind))
    if repeated := _repeated(content.objects):
        odd = (*odd, Note("object", REPEATED, repeated))
    return ImageFacts(
        content.tags, content.size, instances, content.digest, left_out, odd
    )


REPEATED = "with the class and the pixels of another of its image"


def _repeated(objects: Sequence[Labelled]) -> int:
    """Returns how many objects are there already, pixel for pixel."""
    places = Counter((found.title, found.crop.box) for found in objects)
    seen: set[tuple[str, tuple[int, int, int, int], bytes]] = set()
    shared = 0
    for found in objects:
        title, box = found.title, found.crop.box
        if places[title, box] > 1:
            shared += 1
            pixels = np.packbits(found.crop.mask).tobytes()
            seen.add((title, box, blake2b(pixels, digest_size=16).digest()))
    return shared - len(seen)


def _caught(call: Callable[[int], T]) -> Callable[[int], T | Sequence[str]]:
    """Makes a call return the texts of its errors about files."""

    def run(index: int) -> T | Sequence[str]:
        try:
            return call(index)
        except AnnotationFileError as err:
            return list(err.problems)
        except FormatError as err:
            return [str(err)]

    return run


def _map(call: Callable[[int], T], indices: Iterable[int]) -> Iterator[tuple[int, T]]:
    """Calls for every index in threads, and yields in order."""
    left = iter(indices)
    waiting: deque[tuple[int, Future[T]]] = deque()
    with ThreadPoolExecutor(MAX_WORKERS, "check") as pool:
        while True:
            for index in islice(left, _AHEAD - len(waiting)):
                waiting.append((index, pool.submit(call, index)))
            if not waiting:
                return
            index, future = waiting.popleft()
            yield index, future.result()
