"""What the command lines of all packages have in common; needs no TensorFlow."""
