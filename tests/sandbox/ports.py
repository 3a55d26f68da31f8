"""Ports of this machine."""

import contextlib
import random
import socket

from sandbox.errors import ClusterError

LISTENING_PORTS = range(20000, 32000)
"""Below those that the kernel gives to outgoing connections."""


def free_ports(count: int) -> list[int]:
    """Free ports of LISTENING_PORTS, for servers that come back on the port they had.

    While such a server is down, an outgoing connection could take a port of the kernel's own range, and a client that
    knocks there could even be connected to itself. Not drawn from the common `random`: trainings seed it, and
    tests in two processes would draw the same ports.
    """
    free = []
    for port in random.SystemRandom().sample(LISTENING_PORTS, k=len(LISTENING_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):  # in use
            probe.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == count:
            return free
    raise ClusterError(f"no {count} free ports between {LISTENING_PORTS[0]} and {LISTENING_PORTS[-1]}")


def listens(port: int) -> bool:
    """Whether something answers at the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
