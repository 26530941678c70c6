"""Accuracy figures as plain functions of plain values."""
