"""Scenes: opening, bands, radiometry, georeferencing and tiling."""
