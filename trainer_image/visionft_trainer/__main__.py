"""`visionft-trainer`, also as `python -m visionft_trainer`."""

import signal
import sys


def main() -> int:
    """Run the command line; gives the exit code of the process."""
    # Until the program listens itself: its modules take a second to load, and Ctrl-C would show where.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from visionft_trainer import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
