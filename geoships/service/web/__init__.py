"""The HTTP side: routes, access, tiles and features."""
