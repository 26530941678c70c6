"""Vector and mask layers of a scene: area of interest, land and labels."""
