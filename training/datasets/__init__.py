"""Labelled images: where they are, what is wrong with them, one by one."""

from training.datasets.splits import open_coco_splits, open_project_splits

__all__ = ["open_coco_splits", "open_project_splits"]
