"""Mask R-CNN on Keras 3 with TensorFlow, its weights and its preprocessing."""
