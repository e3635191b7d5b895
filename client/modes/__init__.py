"""Inference modes: which parts of an image a model sees, and what becomes of them.

A mode is pure: it sees an image's size, its annotation and answers; no server, no file
and no pixel. Each is one file with the group of its keys in a config and what these
make, and a line in `client.modes.table`.
"""
