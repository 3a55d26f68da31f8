"""Learning: which rows when, how a step is cut, optimisers, checkpoints, when to stop."""
