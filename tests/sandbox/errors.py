"""What can go wrong with a cluster."""


class ClusterError(Exception):
    """The cluster did not come up, or lost a part; the message quotes the part's log."""
