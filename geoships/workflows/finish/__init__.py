"""What makes a trained bundle ready for release, by the results of its cross-validation."""
