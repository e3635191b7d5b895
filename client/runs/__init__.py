"""Runs over images, folders and projects: what is read, what is written."""
