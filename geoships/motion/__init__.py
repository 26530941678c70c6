"""Motion of ships from the delay between the bands of a scene."""
