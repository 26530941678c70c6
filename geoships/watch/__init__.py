"""Watching a folder or a catalogue: new scenes, rules over their ships, and messages."""
