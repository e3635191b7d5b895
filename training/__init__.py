"""Training of a Mask R-CNN: datasets, targets, losses, loop, evaluation."""
