"""What was seen of a scene: clouds, shadows, land and sea, on a coarse grid."""
