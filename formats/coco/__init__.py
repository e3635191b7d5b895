"""COCO JSON files and their segmentations."""
