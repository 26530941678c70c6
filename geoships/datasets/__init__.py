"""Data that geoships makes or imports."""
