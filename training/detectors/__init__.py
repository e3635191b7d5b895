"""What detects, behind one interface: checkpoint, SavedModel, server, network."""
