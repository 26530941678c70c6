"""geoships over HTTP: a queue of jobs, workers, an API after OGC standards, tiles, and corrections.

upload -> intake -> job in the store -> worker -> outputs of `geoships.predict` -> features, tiles, files, labels
"""
