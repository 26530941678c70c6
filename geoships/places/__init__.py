"""What stands at a place and what comes and goes there, over many passes."""
