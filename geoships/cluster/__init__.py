"""Many scenes, in one process or many: a manifest of what is done, shards, and one layer of all ships."""
