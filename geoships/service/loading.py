"""Libraries that take seconds to load are loaded by one thread at a time.

Two threads that load what imports itself in a circle, as xarray does, may get half of it.
"""

import threading

LOADING = threading.RLock()
