"""How good answers are, and whether that is good enough."""
