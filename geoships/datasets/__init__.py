"""Data sets: downloads, imports, annotations, labelled chips and synthetic scenes."""
