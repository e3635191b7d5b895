"""What a network learns by: targets, losses, steps, optimisers."""
