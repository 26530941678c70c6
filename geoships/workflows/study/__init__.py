"""Studies: ways to train, losses and optimisers side by side, on one split and one budget."""
