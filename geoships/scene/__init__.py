"""Scenes: opening them, knowing their bands, values and place, and cutting them into tiles."""
