"""Training of Mask R-CNN: targets, losses, gradients and optimisers."""
