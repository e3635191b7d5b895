"""What users' files look like: configs, Supervisely annotations. No TensorFlow."""
