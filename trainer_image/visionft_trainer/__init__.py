"""The trainer: reads one run file, trains, measures, and writes artifacts. It never talks to the Kubernetes API."""
