"""Supervisely projects: their meta, their annotations, their figures."""
