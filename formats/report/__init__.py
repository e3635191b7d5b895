"""Pages of images and figures, each one self-contained file."""
