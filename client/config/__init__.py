"""The inference config: its groups, their values, and the page that describes it."""
