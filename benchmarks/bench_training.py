"""Trains the small preset and torchvision's Mask R-CNN, side by side.

    python -m pip install torch torchvision
    python benchmarks/bench_training.py --coco instances.json --images DIR --minutes 8

Same images, canvas, images per step, time, optimiser and cosine; both from nothing.
The COCO file has "split": "train" or "val" in its images. Each runs in a process of its
own, one after the other. Prints a table; AP is COCO's mask AP at score threshold 0.05
and 100 detections.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
POLL_S = 0.2


def main() -> None:
    """Runs both and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coco", type=Path, required=True, metavar="JSON")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--side", type=int, default=256, metavar="PX")
    parser.add_argument("--batch", type=int, default=2, metavar="N")
    parser.add_argument("--minutes", type=float, default=8, metavar="M")
    parser.add_argument(
        "--step-seconds",
        type=float,
        required=True,
        metavar="S",
        help="of our step on this machine: decides how many epochs fill the time",
    )
    parser.add_argument(
        "--rival-python",
        default=sys.executable,
        metavar="PYTHON",
        help="interpreter that has torchvision",
    )
    args = parser.parse_args()
    rows = {
        "maskrcnn-serving, small": _ours(args),
        "torchvision, ResNet-18": _rival(args),
    }
    names = list(next(iter(rows.values())))
    print("| |", " | ".join(names), "|")
    print("|---" * (len(names) + 1) + "|")
    for name, row in rows.items():
        print(f"| {name} |", " | ".join(str(row[n]) for n in names), "|")


def _ours(args: argparse.Namespace) -> dict[str, Any]:
    content = json.loads(args.coco.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        counts = {}
        for split in ("train", "val"):
            part = _split(content, split)
            counts[split] = len(part["images"])
            (root / f"{split}.json").write_text(json.dumps(part))
        config = json.loads((HERE.parent / "examples/nuclei/train.json").read_text())
        per_epoch = counts["train"] // args.batch
        epochs = round(60 * args.minutes / args.step_seconds / per_epoch)
        config |= {
            "epochs": max(1, epochs),
            "batch_size": {"train": args.batch, "val": 4},
            "input_size": {"min_dim": args.side, "max_dim": args.side},
            "val_every": max(1, epochs),
            "save_every": max(1, epochs),
        }
        (root / "config.json").write_text(json.dumps(config))
        command = [
            *(sys.executable, "-m", "training", "--device", "cpu"),
            *("--config", str(root / "config.json"), "--output", str(root / "run")),
            *("--coco", str(root / "train.json"), str(root / "val.json")),
            *("--images", str(args.images)),
        ]
        _, peak = _measure(command)
        rows = list(csv.DictReader((root / "run" / "metrics.csv").open()))
        train = [row for row in rows if row["split"] == "train"]
        seconds = [float(row["seconds"]) for row in train]
        steps = [after - before for before, after in pairwise(seconds)]
        from models.checkpoint import inspect_checkpoint

        last = root / "run/checkpoints/last/model_weights/model.h5"
        return {
            "parameters": inspect_checkpoint(last).parameters,
            "steps": len(train),
            "seconds": round(seconds[-1], 1),
            "images/s": round(args.batch / median(steps), 2),
            "peak MiB": peak,
            "mask AP": round(float(rows[-1]["mask_ap"]), 3),
            "mask AP50": round(float(rows[-1]["mask_ap50"]), 3),
        }


def _rival(args: argparse.Namespace) -> dict[str, Any]:
    command = [
        *(args.rival_python, str(HERE / "torchvision_rival.py")),
        *("--coco", str(args.coco), "--images", str(args.images)),
        *("--side", str(args.side), "--batch", str(args.batch)),
        *("--minutes", str(args.minutes)),
    ]
    text, peak = _measure(command)
    found = json.loads(text.splitlines()[-1])
    return {
        "parameters": found["parameters"],
        "steps": found["steps"],
        "seconds": found["seconds"],
        "images/s": found["images_per_s"],
        "peak MiB": peak,
        "mask AP": round(found["mask_ap"], 3),
        "mask AP50": round(found["mask_ap50"], 3),
    }


def _split(content: Mapping[str, Any], split: str) -> dict[str, Any]:
    images = [image for image in content["images"] if image["split"] == split]
    ids = {image["id"] for image in images}
    kept = [a for a in content["annotations"] if a["image_id"] in ids]
    return {**content, "images": images, "annotations": kept}


def _measure(command: Sequence[str]) -> tuple[str, int]:
    """Returns what a command prints, and its largest resident size in MiB."""
    with tempfile.TemporaryFile("w+") as out:
        process = psutil.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            try:
                peak = max(peak, process.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(POLL_S)
        if process.wait():
            raise SystemExit(f"{command[1]} failed with {process.returncode}")
        out.seek(0)
        return out.read(), peak >> 20


if __name__ == "__main__":
    main()
