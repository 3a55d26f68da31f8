"""Run a program that dies with whoever started it: `python leash.py PROGRAM [ARGUMENT ...]`.

For programs that do not watch their standard input as the sandbox's own do. The setting outlives exec; see prctl(2).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:  # it died before the setting took hold
        sys.exit(1)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
