"""Artifacts as a run leaves them, of random bytes in place of weights: for what happens to them afterwards."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

from visionft_trainer.artifacts import artifact, provenance
from visionft_trainer.artifacts.artifact import Artifact, Kind
from visionft_trainer.storage.folder import Owner

from support.tiny_spec import tiny_run

OWNER = Owner(uid="0123", namespace="team", name="tiny", run=1, spec_hash="abcd")
MOMENT = datetime(2026, 1, 31, 8, tzinfo=UTC)
MODEL = "pvc://models/tiny"


def write_artifact(
    place: Path, kind: Kind = "adapter", *, seed: int = 0, sizes: tuple[int, ...] = (200_000,), owner: Owner = OWNER
) -> Artifact:
    """An artifact in `place/kind`, with a weights file of each size."""
    place.mkdir(parents=True, exist_ok=True)
    run = tiny_run(place, uid=owner.uid, run=owner.run, name=owner.name)
    inputs = [provenance.model(MODEL, None, "sha256:" + "0" * 64)]
    origin = provenance.end(provenance.begin(run, owner.run, MOMENT, inputs), MOMENT)

    def fill(folder: Path) -> None:
        noise = random.Random(seed)
        (folder / "config.json").write_text('{"model_type": "tiny"}\n')
        (folder / "README.md").write_text(f"# Tiny {seed}\n")
        for index, size in enumerate(sizes):
            (folder / f"model-{index:05}.safetensors").write_bytes(noise.randbytes(size))

    return artifact.write(kind, place / kind, [fill], origin)
