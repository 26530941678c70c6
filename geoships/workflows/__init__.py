"""Workflows of several steps: demonstration, cross-validation, export, chips, studies and viewer pages."""
