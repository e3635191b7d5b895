"""`curves.png`: losses, learning rate and AP over a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from formats.files.atomic_file import replaced_file
from training.engine.metrics import read_rows

CURVES_NAME = "curves.png"
_LOSSES = {
    "loss": ("total", "black"),
    "rpn_class_loss": ("RPN class", "tab:blue"),
    "rpn_bbox_loss": ("RPN box", "tab:cyan"),
    "mrcnn_class_loss": ("class", "tab:orange"),
    "mrcnn_bbox_loss": ("box", "tab:green"),
    "mrcnn_mask_loss": ("mask", "tab:red"),
}
_POINTS = 400
"""Training steps are averaged down to at most so many points."""


def draw_curves(metrics: Path, output: Path) -> None:
    """Draws `metrics.csv`: lines are the training set, points the validation set.

    Raises:
        TrainingError: the metrics cannot be read.
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = read_rows(metrics)
    train = [row for row in rows if row["split"] == "train"]
    val = [row for row in rows if row["split"] == "val"]
    has_ap = any(row["mask_ap"] for row in val)
    figure = Figure(figsize=(13 if has_ap else 9, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2 + has_ap, width_ratios=[2, 1, 1][: 2 + has_ap])
    for column, (label, color) in _LOSSES.items():
        x, y = _thinned(_column(train, "epoch"), _column(train, column))
        panels[0].plot(x, y, color=color, label=label, linewidth=1.2)
        panels[0].plot(
            _column(val, "epoch"), _column(val, column), "o", color=color, markersize=4
        )
    panels[0].set_yscale("log")
    panels[0].set_title("losses (lines: training set, points: validation set)")
    panels[0].legend(ncols=2)
    x, y = _thinned(_column(train, "epoch"), _column(train, "lr"))
    panels[1].plot(x, y, color="tab:purple")
    panels[1].set_title("learning rate")
    if has_ap:
        scored = [row for row in val if row["mask_ap"]]
        for column, label in (
            ("mask_ap50", "mask AP50"),
            ("mask_ap", "mask AP"),
            ("box_ap", "box AP"),
        ):
            x, y = _column(scored, "epoch"), _column(scored, column)
            panels[2].plot(x, y, "o-", label=label, markersize=4)
        panels[2].set_title("validation set, COCO AP")
        panels[2].set_ylim(0, 1)
        panels[2].legend()
    for panel in panels:
        panel.set_xlabel("epoch")
        panel.grid(alpha=0.3)
    with replaced_file(output) as file:
        figure.savefig(file, dpi=110, format="png")


def _column(rows: Sequence[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name] or "nan") for row in rows])


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns means over neighbours where there are too many points."""
    width = -(-len(x) // _POINTS)
    if width <= 1:
        return x, y
    starts = np.arange(0, len(x), width)
    counts = np.diff([*starts, len(x)])
    return np.add.reduceat(x, starts) / counts, np.add.reduceat(y, starts) / counts
