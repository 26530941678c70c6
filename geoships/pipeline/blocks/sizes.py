"""Sizes of blocks."""

BLOCK_PIXELS = 8 << 20  # of the scene; about the least, as a block of a wide scene is one row of tiles
