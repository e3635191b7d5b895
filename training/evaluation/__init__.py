"""Scores of detections, and the files and the page that show them."""
