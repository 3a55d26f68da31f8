"""How long tests wait for what must come true: a wait ends when it does, which may take a while on a busy machine."""

SECONDS = 240.0
"""Less than the grace of pods that must be gone without it."""
