"""Trains torchvision's Mask R-CNN (ResNet-18-FPN) from nothing on a COCO file.

Called by bench_training.py in a process of its own. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import resource
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

LR, WEIGHT_DECAY, WARMUP_STEPS, CLIP_NORM = 1e-3, 0.05, 50, 5.0


def main() -> None:
    """Trains for the asked time, evaluates, prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--minutes", type=float, required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(2)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(args.coco))
    ids = {"train": [], "val": []}
    for image in coco.dataset["images"]:
        if image["split"] in ids:
            ids[image["split"]].append(image["id"])
    backbone = resnet_fpn_backbone(
        backbone_name="resnet18",
        weights=None,
        trainable_layers=5,
        norm_layer=torch.nn.BatchNorm2d,
    )
    anchors = AnchorGenerator(
        tuple((s,) for s in (8, 16, 32, 64, 128)), ((0.5, 1.0, 2.0),) * 5
    )
    model = MaskRCNN(
        backbone,
        num_classes=len(coco.cats) + 1,
        min_size=args.side,
        max_size=args.side,
        rpn_anchor_generator=anchors,
    )
    steps, seconds, times = _train(model, coco, ids["train"], args)
    ap, ap50 = _evaluate(model, coco, ids["val"], args.images)
    print(
        json.dumps(
            {
                "steps": steps,
                "parameters": sum(p.numel() for p in model.parameters()),
                "seconds": round(seconds, 1),
                "images_per_s": round(args.batch / float(np.median(times)), 2),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "mask_ap": round(ap, 4),
                "mask_ap50": round(ap50, 4),
            }
        )
    )


def _train(
    model: Any, coco: COCO, ids: list[int], args: argparse.Namespace
) -> tuple[int, float, list[float]]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    rng = np.random.default_rng(0)
    model.train()
    begun, step, times = time.monotonic(), 0, []
    while True:
        order = rng.permutation(ids)
        for first in range(0, len(order) - args.batch + 1, args.batch):
            done = (time.monotonic() - begun) / (60 * args.minutes)
            if done >= 1:
                return step, time.monotonic() - begun, times
            warm = min(1, (step + 1) / WARMUP_STEPS)
            cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))
            for group in optimizer.param_groups:
                group["lr"] = LR * warm * cosine
            at = time.monotonic()
            batch = [
                _sample(coco, int(i), args.images, rng)
                for i in order[first : first + args.batch]
            ]
            images, targets = zip(*batch, strict=True)
            loss = sum(model(list(images), list(targets)).values())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimizer.step()
            times.append(time.monotonic() - at)
            step += 1


def _sample(
    coco: COCO, image_id: int, folder: Path, rng: Any
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Returns an image, flipped at random, with its objects."""
    pixels = _read(coco, image_id, folder)
    found = coco.loadAnns(coco.getAnnIds(image_id))
    masks = np.stack([coco.annToMask(a) for a in found])
    if rng.random() < 0.5:
        pixels, masks = pixels[:, ::-1], masks[:, :, ::-1]
    if rng.random() < 0.5:
        pixels, masks = pixels[::-1], masks[:, ::-1]
    boxes = []
    for mask in masks:
        ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        boxes.append((xs[0], ys[0], xs[-1] + 1, ys[-1] + 1))
    target = {
        "boxes": torch.tensor(np.array(boxes), dtype=torch.float32),
        "labels": torch.tensor([a["category_id"] for a in found]),
        "masks": torch.tensor(np.ascontiguousarray(masks), dtype=torch.uint8),
    }
    return _tensor(pixels), target


def _evaluate(
    model: Any, coco: COCO, ids: list[int], folder: Path
) -> tuple[float, float]:
    """Returns mask AP and AP50 at score threshold 0.05 and 100 detections."""
    model.eval()
    results = []
    for image_id in ids:
        with torch.no_grad():
            found = model([_tensor(_read(coco, image_id, folder))])[0]
        for label, score, mask in zip(
            found["labels"], found["scores"], found["masks"], strict=True
        ):
            pixels = np.asfortranarray((mask[0] >= 0.5).numpy().astype(np.uint8))
            results.append(
                {
                    "image_id": image_id,
                    "category_id": int(label),
                    "segmentation": coco_mask.encode(pixels),
                    "score": float(score),
                }
            )
    if not results:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        scored = COCOeval(coco, coco.loadRes(results), "segm")
        scored.params.imgIds = ids
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return float(scored.stats[0]), float(scored.stats[1])


def _read(coco: COCO, image_id: int, folder: Path) -> Any:
    name = coco.loadImgs(image_id)[0]["file_name"]
    return cv2.cvtColor(cv2.imread(str(folder / name)), cv2.COLOR_BGR2RGB)


def _tensor(pixels: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))) / 255


if __name__ == "__main__":
    main()
