"""What tests are made of, valid by construction: networks, images, annotations."""

import json

import cv2
import numpy as np

from formats import annotation_json
from models.architecture import Architecture

TINY = Architecture(
    stem_filters=4,
    stage_blocks=(1, 2, 1, 1),
    stage_filters=(2, 3, 2, 4),
    fpn_channels=5,
    rpn_channels=6,
    box_head_channels=7,
    pool_size=3,
    mask_head_channels=4,
    num_classes=3,
)
"""A whole network of a few thousand numbers; every size occurs once or twice."""
LEARNABLE = Architecture(
    stem_filters=8,
    stage_blocks=(1, 1, 1, 1),
    stage_filters=(8, 8, 12, 16),
    fpn_channels=16,
    rpn_channels=16,
    box_head_channels=32,
    mask_head_channels=16,
    num_classes=3,
)
"""The least that learns generated images by heart."""

CLASSES = {"cat": "bitmap", "dog": "polygon", "box": "rectangle"}
TAGS = ("train", "val")


def meta_json(classes=None, tags=TAGS):
    return {
        "classes": [
            {"title": title, "shape": shape, "color": "#010203"}
            for title, shape in (CLASSES if classes is None else classes).items()
        ],
        "tags": [{"name": n, "value_type": "none", "color": "#000000"} for n in tags],
    }


def vector(title, exterior, interior=(), **extra):
    points = {"exterior": exterior, "interior": list(interior)}
    return {"classTitle": title, "tags": [], "points": points} | extra


def box(title="box", corners=((2, 3), (6, 5))):
    return vector(title, [list(corner) for corner in corners])


def write_image(path, size=(20, 30), value=100):
    """Writes an image of one value, or of its pixels, uint8[*size, 3] BGR."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))


def write_item(
    dataset, name, objects=(), tags=(), size=(20, 30), ann_name=None, value=100
):
    """Writes an image and its annotation."""
    write_image(dataset / "img" / name, size, value)
    content = annotation_json(size, objects) | {"tags": [{"name": t} for t in tags]}
    path = dataset / "ann" / (ann_name or f"{name}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_project(root, meta=None):
    """Writes a project: two images to train on, one to validate on."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "meta.json").write_text(json.dumps(meta or meta_json()))
    write_item(root / "ds", "a.png", [box(), DOG], ["train"])
    write_item(root / "ds", "b.png", [box()], ["train"])
    write_item(root / "ds", "c.png", [DOG], ["val"])
    return root


DOG = vector("dog", [[0, 0], [4, 4], [4, 0]])


def coco_json(images, annotations, categories=("dog", "box")):
    return {
        "images": [
            {"id": i, "file_name": name, "height": size[0], "width": size[1]}
            for i, (name, size) in enumerate(images.items(), start=1)
        ],
        "annotations": [{"id": i} | a for i, a in enumerate(annotations, start=1)],
        "categories": [{"id": i * 10, "name": n} for i, n in enumerate(categories, 1)],
    }
