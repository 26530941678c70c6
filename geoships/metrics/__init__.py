"""Accuracy metrics of masks, scores and ships."""
