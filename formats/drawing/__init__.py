"""Overlays of instances over images: masks, labels, fonts, colours."""
