"""Tiling of a scene: windows, blocks of the file, tile sizes and resampling."""
