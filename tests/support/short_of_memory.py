"""`visionft-trainer` whose last process is short of memory: `python -m support.short_of_memory ROOM run ...`, or forked
from a process that has the libraries loaded, with ROOM in the environment as `ENVIRONMENT`.

In passes of more than ROOM rows torch says, in the middle of the language layers, that memory is out. The other
processes are not told, as on GPUs.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from visionft_trainer import cli
from visionft_trainer.processes import launch

ENVIRONMENT = "TEST_SHORT_OF_MEMORY"


def main() -> int:
    room, *arguments = sys.argv[1:]
    launch.PROGRAM = (sys.executable, "-m", "support.short_of_memory", room)
    strike(room)
    return cli.main(arguments)


def strike(room: str) -> None:
    """To be called in each process, before it trains."""
    member = launch.Member.from_environment(os.environ)
    if member is not None and member.rank == member.size - 1:
        member.prepare()
        run_out_of_memory(int(room))


def run_out_of_memory(room: int) -> None:
    """Let the second language layer of each pass fail that has more than `room` rows."""
    import torch
    from visionft_trainer.processes import sharding

    share_out = sharding.shard

    def shard(model: Any, family: Any, team: Any, device: Any) -> None:
        share_out(model, family, team, device)
        base = model.get_base_model() if hasattr(model, "peft_config") else model
        layer = base.get_submodule(sharding.language_layers(base, family)[1])

        def fail(_: Any, arguments: tuple[Any, ...]) -> None:
            if layer.training and len(arguments[0]) > room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

        layer.register_forward_pre_hook(fail)

    sharding.shard = shard


if __name__ == "__main__":
    sys.exit(main())
