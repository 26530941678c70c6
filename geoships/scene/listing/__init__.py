"""Lists of scenes: from folders, patterns, lists, tables and STAC collections to the names of single scenes."""
