"""The web page of a scene and its ships."""
