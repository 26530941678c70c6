"""Settings of GDAL for the rasters that a service reads: all are its own."""

GDAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": 64 << 20, "GDAL_NUM_THREADS": 1}
