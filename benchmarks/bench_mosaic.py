"""Scores sliding windows on mosaics of labelled images, and times them.

    python benchmarks/bench_mosaic.py --model exported/mask_rcnn
        (--project DIR [--tag val] | --coco FILE --images DIR) [--size 256x256]
        [--window 256x256] [--mosaics 6] [--overlaps 0 64 128] [--sides 1 2 3 4 6]

The model is one exported with a score threshold of 0.05 or less; it is served in a
process of its own. Mosaics are 3 x 3 images of one size with their truth. Scored on
the same truth, by COCO's rules: each image by itself, the mosaic window by window
(of the size of an image, if not told), the mosaic as a whole. An image may have as
many detections as the model gives, a mosaic nine times that. Then mosaics of growing
sides are timed. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from client import Client  # noqa: E402
from client.call import Call  # noqa: E402
from client.runs.local_server import LocalServer  # noqa: E402
from client.transport.remote_model import RemoteModel  # noqa: E402
from formats.mask_crop import MaskCrop  # noqa: E402
from training.config.train_config import TrainConfig  # noqa: E402
from training.datasets.classes import ClassMap  # noqa: E402
from training.datasets.data_formats import labelled_data  # noqa: E402
from training.datasets.samples import LabelledImage  # noqa: E402
from training.datasets.splits import open_set  # noqa: E402
from training.detectors.detector import EvaluatedDetections, to_coco_mask  # noqa: E402
from training.detectors.exported import exported_classes  # noqa: E402
from training.detectors.model import DetectionLimits  # noqa: E402
from training.evaluation.coco_score import CocoScorer  # noqa: E402

SCORE_THRESHOLD = 0.05
SIDE = 3
"""Images along a side of a scored mosaic."""
TIMED_OVERLAP = 64  # pixels
SEED = 0
REPEATS = 3

Size = tuple[int, int]


def main() -> int:
    """Runs the command line; returns its exit code."""
    args = _parser().parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    with LocalServer(args.model) as server:

        def connect(config: dict[str, Any] | None) -> Client:
            return Client(
                server.address,
                model_name=server.model_name,
                config=config,
                timeout_s=600,
            )

        with connect(None) as client:
            info = client.info()
        samples = _read(args, exported_classes(info, None))
        size = args.size or Counter(s.size for s in samples).most_common(1)[0][0]
        samples = [sample for sample in samples if sample.size == size]
        if len(samples) < SIDE**2:
            print(f"too few pictures of {size[1]} x {size[0]}: {len(samples)}")
            return 1
        _print_scores(args, connect, samples, info)
        _print_times(args, connect, samples)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--tag")
    parser.add_argument("--coco", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--size", type=_size, help="WIDTHxHEIGHT; the commonest one")
    parser.add_argument("--window", type=_size, help="that of the pictures")
    parser.add_argument("--mosaics", type=int, default=6)
    parser.add_argument("--overlaps", type=int, nargs="+", default=[0, 64, 128])
    parser.add_argument("--iou-threshold", type=float, default=0.3)
    parser.add_argument("--sides", type=int, nargs="*", default=[1, 2, 3, 4, 6])
    return parser


def _size(text: str) -> Size:
    width, height = map(int, text.split("x"))
    return height, width


def _read(args: argparse.Namespace, classes: ClassMap) -> list[LabelledImage]:
    data = labelled_data(
        project=args.project, tag=args.tag, coco=args.coco, images=args.images
    )
    dataset = open_set(data, classes, TrainConfig())
    return [dataset[index] for index in range(len(dataset))]


def _mosaic(samples: Sequence[LabelledImage], side: int) -> LabelledImage:
    """Puts side x side images of one size into one, with their truth."""
    height, width = samples[0].size
    origins = [
        (row * height, col * width) for row in range(side) for col in range(side)
    ]
    image = np.zeros((side * height, side * width, 3), np.uint8)
    for sample, (y, x) in zip(samples, origins, strict=True):
        image[y : y + height, x : x + width] = sample.image
    return LabelledImage(
        name=f"{side} x {side}",
        size=image.shape[:2],
        class_ids=np.concatenate([sample.class_ids for sample in samples]),
        masks=tuple(
            MaskCrop(crop.y1 + y, crop.x1 + x, crop.mask)
            for sample, (y, x) in zip(samples, origins, strict=True)
            for crop in sample.masks
        ),
        is_crowd=np.concatenate([sample.is_crowd for sample in samples]),
        neutral=(),
        read_image=lambda: image,
    )


def _draw(
    samples: Sequence[LabelledImage], count: int, each: int
) -> Iterator[list[LabelledImage]]:
    """Yields images for mosaics; all are used before one comes again."""
    rng = np.random.default_rng(SEED)
    order: list[int] = []
    for _ in range(count):
        while len(order) < each:
            order += rng.permutation(len(samples)).tolist()
        yield [samples[order.pop(0)] for _ in range(each)]


def _find(client: Client, sample: LabelledImage) -> EvaluatedDetections:
    """Predicts, best first."""
    instances = client.predict(sample.image).instances
    ordered = sorted(instances, key=lambda instance: -instance.score)
    return EvaluatedDetections(
        np.array([one.box for one in ordered], np.float32).reshape(-1, 4),
        np.array([one.class_id for one in ordered], np.int32),
        np.array([one.score for one in ordered], np.float32),
        tuple(to_coco_mask(one.crop, sample.size) for one in ordered),
    )


def _windows(size: Size, overlap: int, nms: dict[str, Any]) -> dict[str, Any]:
    return {
        "mode": {
            "name": "sliding_window_det",
            "window": {"width": size[1], "height": size[0]},
            "min_overlap": {"x": overlap, "y": overlap},
            "nms_after": nms,
        }
    }


def _print_scores(
    args: argparse.Namespace,
    connect: Callable[..., Client],
    samples: Sequence[LabelledImage],
    info: Any,
) -> None:
    drawn = list(_draw(samples, args.mosaics, SIDE**2))
    mosaics = [_mosaic(nine, SIDE) for nine in drawn]
    singles = [sample for nine in drawn for sample in nine]
    size = samples[0].size
    window = args.window or size
    rows: list[tuple[str, dict[str, Any] | None, Sequence[LabelledImage], int]] = [
        ("single pictures", None, singles, 1)
    ]
    for overlap in args.overlaps:
        for name, nms in _suppressions(args.iou_threshold):
            config = _windows(window, overlap, nms)
            rows.append((f"windows, overlap {overlap}, {name}", config, mosaics, 9))
    rows.append(("mosaic as a whole", None, mosaics, 9))
    print(
        f"{len(samples)} pictures of {size[1]} x {size[0]}, {len(mosaics)} mosaics, "
        f"{sum(len(mosaic.masks) for mosaic in mosaics)} objects\n\n"
        "| | mask AP | AP50 | AP75 | box AP | detections |\n|---|---|---|---|---|---|"
    )
    for name, config, images, times in rows:
        scorer = CocoScorer(
            exported_classes(info),
            DetectionLimits(SCORE_THRESHOLD, info.max_detections * times),
        )
        with connect(config) as client:
            for image in images:
                scorer.add(image, _find(client, image))
        figures = scorer.finish().evaluation
        mask, box = figures.mask, figures.box
        values = " | ".join(f"{v:.3f}" for v in (mask.ap, mask.ap50, mask.ap75, box.ap))
        print(f"| {name} | {values} | {figures.detections} |", flush=True)


def _suppressions(iou_threshold: float) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "no NMS", {"enable": False}
    for iou_type in ("box", "mask"):
        for join in (False, True):
            name = f"NMS of {'boxes' if iou_type == 'box' else 'masks'}"
            yield (
                f"{name}, joined" if join else name,
                {
                    "enable": True,
                    "iou_threshold": iou_threshold,
                    "iou_type": iou_type,
                    "join": join,
                },
            )


def _print_times(
    args: argparse.Namespace,
    connect: Callable[..., Client],
    samples: Sequence[LabelledImage],
) -> None:
    window = args.window or samples[0].size
    nms = {"enable": True, "iou_threshold": args.iou_threshold, "iou_type": "mask"}
    config = _windows(window, TIMED_OVERLAP, {**nms, "join": True})
    if not args.sides:
        return
    print(
        f"\nOverlap {TIMED_OVERLAP}, NMS of masks, joined\n\n"
        "| picture | windows | requests | found | s | of these waiting | s a window |"
        "\n|---|---|---|---|---|---|---|"
    )
    with connect(config) as client, _Watch() as watch:
        for side in args.sides:
            mosaic = _mosaic(next(_draw(samples, 1, side**2)), side)
            client.predict(mosaic.image)
            times, served = [], []
            for _ in range(REPEATS):
                watch.reset()
                started = time.perf_counter()
                result = client.predict(mosaic.image)
                times.append(time.perf_counter() - started)
                served.append(watch.seconds)
            total = float(np.median(times))
            height, width = mosaic.size
            print(
                f"| {width} x {height} | {watch.windows} | {watch.requests} "
                f"| {len(result.instances)} | {total:.2f} | {np.median(served):.2f} "
                f"| {total / watch.windows:.3f} |",
                flush=True,
            )


class _Watch:
    """Counts windows, requests and seconds that a client waits for them."""

    def __init__(self) -> None:
        self._patches: list[Any] = []
        self.reset()

    def reset(self) -> None:
        self.windows = self.requests = 0
        self.seconds = 0.0

    def __enter__(self) -> _Watch:
        detect, detect_crops = RemoteModel.detect, Call.detect_crops

        def counted(model: Any, *args: Any) -> Any:
            self.requests += 1
            return detect(model, *args)

        def timed(call: Any, image: Any, crops: Any) -> Any:
            self.windows += len(crops)
            started = time.perf_counter()
            try:
                return detect_crops(call, image, crops)
            finally:
                self.seconds += time.perf_counter() - started

        self._patches = [
            mock.patch.object(RemoteModel, "detect", counted),
            mock.patch.object(Call, "detect_crops", timed),
        ]
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()


if __name__ == "__main__":
    raise SystemExit(main())
