"""Images of a scene with its ships."""
