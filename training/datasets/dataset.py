"""A dataset over items on disk: each sample is read when it is asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b

import numpy as np

from formats.errors import AnnotationFileError, FormatError
from formats.images.image import Pixels
from training.datasets.check import ImageFacts
from training.datasets.claims import size_problem
from training.datasets.classes import ClassMap
from training.datasets.samples import LabelledImage
from training.datasets.sources import Content, Source
from training.errors import DatasetError


@dataclass(frozen=True)
class FileDataset:
    """Some items of a source. Safe to read from many threads.

    Attributes:
        source: all items.
        indices: those of this dataset, in its order.
        facts: index of an item -> what the check remembers of it.
        classes: titles and ids.
        notes: what is left out and what is odd, for a set that is opened alone.
    """

    source: Source = field(repr=False)
    indices: tuple[int, ...] = field(repr=False)
    facts: Mapping[int, ImageFacts] = field(repr=False)
    classes: ClassMap
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Returns the number of samples."""
        return len(self.indices)

    def __getitem__(self, index: int) -> LabelledImage:
        """Reads the annotation of one sample; its image is read when first used.

        Raises:
            DatasetError: its annotation cannot be read any more, or has changed.
            IndexError: no such sample.
        """
        if not 0 <= index < len(self.indices):
            raise IndexError(f"sample {index} of {len(self.indices)}")
        item = self.indices[index]
        try:
            content = self.source.content(item)
        except AnnotationFileError as err:
            raise DatasetError(err.problems) from err
        except FormatError as err:
            raise DatasetError([str(err)]) from err
        if content.digest != self.facts[item].digest:
            raise DatasetError(
                [f"{self.source.locate(item)}: its annotation has changed; start anew"]
            )
        return self._sample(item, content)

    def name(self, index: int) -> str:
        """Returns the name of a sample without reading it."""
        return self.source.name(self.indices[index])

    def locate(self, index: int) -> str:
        """Returns what messages call the image of a sample."""
        return self.source.locate(self.indices[index])

    def encoded(self, index: int) -> bytes:
        """Reads the file of an image.

        Raises:
            DatasetError: it cannot be read any more.
        """
        try:
            return self.source.encoded(self.indices[index])
        except FormatError as err:
            raise DatasetError([str(err)]) from err

    def instances(self) -> dict[str, int]:
        """Returns how many objects of each class there are to learn."""
        counts = dict.fromkeys(self.classes.foreground, 0)
        for item in self.indices:
            for title, count in self.facts[item].instances.items():
                counts[title] += count
        return counts

    def fingerprint(self) -> str:
        """Returns a hash of names, order, annotations and class ids.

        It is the same on every machine and for a folder and its tar.
        """
        digest = blake2b(digest_size=16)
        ids = sorted(self.classes.ids.items())
        digest.update(json.dumps([ids, self.classes.neutral]).encode())
        for item in self.indices:
            name = os.fsencode(self.source.name(item))
            digest.update(len(name).to_bytes(8, "big") + name)
            digest.update(self.facts[item].digest)
        return digest.hexdigest()

    def _sample(self, item: int, content: Content) -> LabelledImage:
        ids = self.classes.ids
        learnt = [found for found in content.objects if ids.get(found.title, 0) > 0]
        return LabelledImage(
            name=self.source.name(item),
            size=content.size,
            class_ids=np.array([ids[found.title] for found in learnt], np.int32),
            masks=tuple(found.crop for found in learnt),
            is_crowd=np.array([found.is_crowd for found in learnt], np.bool_),
            neutral=tuple(
                found.crop
                for found in content.objects
                if found.title == self.classes.neutral
            ),
            read_image=partial(_read_image, self.source, item, content.size),
        )


def _read_image(source: Source, item: int, size: tuple[int, int]) -> Pixels:
    """Reads an image, uint8[H, W, 3] RGB.

    Raises:
        DatasetError: it cannot be read any more, or has changed.
    """
    try:
        pixels = source.image(item)
    except FormatError as err:
        raise DatasetError([str(err)]) from err
    height, width = pixels.shape[:2]
    if (height, width) != size:
        problem = size_problem(source.locate(item), (height, width), size)
        raise DatasetError([problem])
    return pixels
