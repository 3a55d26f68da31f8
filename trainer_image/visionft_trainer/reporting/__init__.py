"""What a run tells while it works and at its end: to the terminal, to the operator, to the pod's status."""
