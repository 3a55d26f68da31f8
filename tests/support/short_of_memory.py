"""`visionft-trainer` whose last process is short of memory: `python -m support.short_of_memory ROOM run ...`.

In passes of more than ROOM rows torch says, in the middle of the language layers, that memory is out. The other
processes are not told, as on GPUs.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from visionft_trainer import cli
from visionft_trainer.processes import launch


def main() -> int:
    room, *arguments = sys.argv[1:]
    launch.PROGRAM = (sys.executable, "-m", "support.short_of_memory", room)
    member = launch.Member.from_environment(os.environ)
    if member is not None and member.rank == member.size - 1:
        member.prepare()
        run_out_of_memory(int(room))
    return cli.main(arguments)


def run_out_of_memory(room: int) -> None:
    """Let the second language layer of each pass fail that has more than `room` rows."""
    import torch
    from visionft_trainer.processes import sharding

    share_out = sharding.shard

    def shard(model: Any, family: Any, team: Any) -> None:
        share_out(model, family, team)
        base = model.get_base_model() if hasattr(model, "peft_config") else model
        layer = base.get_submodule(sharding.language_layers(base, family)[1])

        def fail(_: Any, arguments: tuple[Any, ...]) -> None:
            if layer.training and len(arguments[0]) > room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

        layer.register_forward_pre_hook(fail)

    sharding.shard = shard


if __name__ == "__main__":
    sys.exit(main())
