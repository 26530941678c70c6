"""From a name to a raster that can be read: files, addresses, products, catalogue items."""
