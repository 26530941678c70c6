"""The web page that shows a scene and its ships."""
