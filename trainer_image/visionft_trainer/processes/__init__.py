"""Several processes that train together: starting them, what they share, whose turn it is."""
