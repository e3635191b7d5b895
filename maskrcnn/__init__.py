"""The command `maskrcnn`: the programs of all packages under one name."""
