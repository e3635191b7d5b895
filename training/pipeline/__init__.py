"""From a labelled image to a batch: placement, augmentation, targets, assembly."""
