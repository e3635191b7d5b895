"""A training's run: plan, loop, validation, state, progress."""
