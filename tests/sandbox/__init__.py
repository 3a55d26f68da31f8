"""A Kubernetes cluster on one machine without Docker and without root: the README beside this file says what it is."""
