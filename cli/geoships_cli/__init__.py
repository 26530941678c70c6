"""The command line of geoships."""
