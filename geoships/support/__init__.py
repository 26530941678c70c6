"""Files that appear whole, memory, progress and worker processes."""
