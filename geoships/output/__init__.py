"""Outputs: stitched rasters and ship polygons."""
