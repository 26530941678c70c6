"""Atomic output files, memory settings, progress reports and worker processes."""
