"""Judging predictions against labels."""
