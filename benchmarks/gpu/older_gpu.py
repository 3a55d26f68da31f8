"""`visionft-trainer` on a GPU that is taken for one without bfloat16: `python -m older_gpu run ...`."""

from __future__ import annotations

import os
import sys

from visionft_trainer import cli
from visionft_trainer.processes import launch


def main() -> int:
    launch.PROGRAM = (sys.executable, "-m", "older_gpu")
    member = launch.Member.from_environment(os.environ)
    if member is not None:
        member.prepare()  # before torch is imported
        from visionft_trainer.model import load

        load.BFLOAT16_SINCE = (99, 0)
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
