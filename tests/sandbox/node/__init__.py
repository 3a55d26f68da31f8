"""A node of the sandbox cluster: a kubelet's view from the API server, local processes behind it."""
