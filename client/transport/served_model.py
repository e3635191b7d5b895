"""What a server says of the model that it serves."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from serving.contract import ModelInfo


@dataclass(frozen=True, eq=False)
class ServedModel(ModelInfo):
    """A model's own description, and the version under which it is served.

    Equal to any description that says the same. As text it is a table for people.

    Attributes:
        version: None if the server does not tell.
    """

    version: int | None = None

    @classmethod
    def of(cls, info: ModelInfo, version: int | None) -> ServedModel:
        """Adds a version to a description."""
        return cls(**_content(info), version=version)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelInfo) and _content(self) == _content(other)

    def __hash__(self) -> int:
        return hash((self.name, self.created))

    def __str__(self) -> str:
        assumed = " (assumed: no file named them)" if self.classes_assumed else ""
        size = self.input
        version = "not told" if self.version is None else self.version
        rows = {
            "model": f"{self.name}, version {version}",
            "classes": ", ".join(c.title for c in self.classes) + assumed,
            "backbone": f"{self.backbone}, {self.precision}",
            "input": f"{size.resize_mode}, min_dim {size.min_dim}, max_dim "
            f"{size.max_dim}, at most {size.max_image_pixels:,} pixels",
            "masks": f"{self.mask_size} x {self.mask_size}",
            "scores": f"from {self.score_threshold:g} on, at most "
            f"{self.max_detections} instances, NMS at IoU {self.iou_threshold:g}",
            "weights": ", ".join(f"{k} {v}" for k, v in self.checkpoint.items()),
            "exported": self.created,
        }
        return "\n".join(f"{key:9} {value}" for key, value in rows.items())


def _content(info: ModelInfo) -> dict[str, Any]:
    return {f.name: getattr(info, f.name) for f in fields(ModelInfo)}
