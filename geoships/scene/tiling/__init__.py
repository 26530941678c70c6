"""How a scene is cut into tiles: pure arithmetic on windows, blocks and pixel sizes."""
