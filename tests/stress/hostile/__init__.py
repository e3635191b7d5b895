"""Seeded hostile and odd inputs by kind, and the check of what becomes of each.

`python -m tests.stress.hostile` runs all of them. Each input follows from the seed, its
kind and its number alone, so one that fails can be made again by itself. A kind's
inputs run in a process of their own, which may die or hang without ending the suite.
"""
