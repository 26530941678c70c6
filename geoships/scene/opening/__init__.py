"""Opening of scenes: files, URLs, Sentinel-2 products and STAC Items."""
