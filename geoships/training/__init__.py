"""Training: labelled scenes in, weights out."""
