"""Measurements: `python -m bench collect`, `python -m bench query`."""
