"""A thin client for Mask R-CNN behind TensorFlow Serving; no TensorFlow in its process."""
