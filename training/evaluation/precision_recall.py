"""`precision_recall.png`: precision over recall of each class and of all."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from training.detectors.detector import Array

NAMED = 10
"""With more classes than this, only their mean has a colour and a name."""


def draw_precision_recall(precision: Array, titles: Sequence[str]) -> bytes:
    """Draws the curves of masks, at IoU 0.5 and as mean over the IoU thresholds.

    Args:
        precision: float64[10, 101, C - 1], as `training.evaluation.coco_score` has it.
        titles: of the classes.

    Returns:
        A PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    measured = [i for i in range(len(titles)) if (precision[..., i] > -1).any()]
    curves = {
        "masks, IoU 0.5": precision[0],
        "masks, mean over IoU 0.50, 0.55, ... 0.95": precision.mean(axis=0),
    }
    recall = np.linspace(0, 1, precision.shape[1])
    panels = figure.subplots(1, len(curves), sharey=True)
    for panel, (title, values) in zip(panels, curves.items(), strict=True):
        for number in measured:
            text = f"{titles[number]}  {values[:, number].mean():.3f}"
            if len(measured) > NAMED:
                panel.plot(recall, values[:, number], color="0.8", linewidth=0.8)
            else:
                panel.plot(recall, values[:, number], label=text)
        if len(measured) > 1:
            mean = values[:, measured].mean(axis=1)
            panel.plot(
                recall,
                mean,
                color="black",
                linewidth=2,
                label=f"mean of {len(measured)} classes  {mean.mean():.3f}",
            )
        panel.set_title(title)
        panel.set_xlabel("recall")
        panel.set_xlim(0, 1)
        panel.set_ylim(0, 1.02)
        panel.grid(alpha=0.3)
        if measured:
            panel.legend(title="AP", loc="lower left")
    panels[0].set_ylabel("precision")
    file = io.BytesIO()
    figure.savefig(file, dpi=110, format="png")
    return file.getvalue()
