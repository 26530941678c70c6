"""Vector layers and masks that belong to a scene: areas, land and labels."""
