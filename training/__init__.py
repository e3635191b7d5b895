"""Training of a Mask R-CNN: datasets, targets, losses, gradients and optimisers."""
