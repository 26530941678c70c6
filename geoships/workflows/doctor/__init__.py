"""What this machine has, what of it is broken, and how to mend it: `geoships doctor`."""
