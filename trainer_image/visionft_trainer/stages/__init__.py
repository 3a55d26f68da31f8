"""The stages of a run up to its artifacts, one module for each part; `pipeline.py` puts them in order."""
