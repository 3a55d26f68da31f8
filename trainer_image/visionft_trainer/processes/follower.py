"""What the processes beside process 0 do: wait for its rows, train with it, and leave."""

from __future__ import annotations

from visionft_api.run_file import RunFile

from visionft_trainer import libraries
from visionft_trainer.processes.launch import Member
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop


def follow(run_file: RunFile, settings: Settings, stop: Stop, member: Member) -> None:
    """Take part in the training of a run. Raises what a run raises."""
    spec = run_file.spec
    libraries.prepare(spec.resources, settings.device)
    from visionft_trainer.model import adapt, load
    from visionft_trainer.processes import distributed, sharding, shared
    from visionft_trainer.training import train, weights

    device = load.choose_device(spec, settings)
    waiting = shared.wait(member.folder)
    if waiting is None:
        return
    processor = load.load_processor(waiting.files, spec)
    prepared = waiting.open(processor)
    team = distributed.join(member, on_gpu=device.type == "cuda")
    sharded = prepared.batching.sharded
    model = load.load_model(waiting.files, spec, device, load.CPU if sharded else device)
    model = adapt.adapt(model, spec, waiting.files.family, waiting.files.identity)
    if sharded:
        sharding.shard(model, waiting.files.family, team, device)
    with stop.at_step_end():
        trained = train.train(
            model,
            spec,
            prepared.train,
            prepared.validation,
            processor,
            waiting.files.family,
            prepared.checkpoints,
            Progress(),
            prepared.batching,
            stop.requested,
            team,
        )
    if trained.interrupted:
        raise stop.interruption()
    if sharded:
        weights.trainable(model, keep=False)
    distributed.leave()
