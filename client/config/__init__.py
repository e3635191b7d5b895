"""The inference config: its older forms, and the page that describes it."""
