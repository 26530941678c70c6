"""One scene in blocks of tile rows, computed anywhere and in any order, and joined to the same scores."""
