"""How much GPU memory a run needs, before it runs."""
