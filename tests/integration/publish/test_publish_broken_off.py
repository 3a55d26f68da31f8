"""Uploads to real servers that are broken off at random points: fifty of each are in benchmarks/uploads."""

from __future__ import annotations

import random
from pathlib import Path
from typing import get_args

import registry.server
from obstore.store import S3Store
from support.broken_uploads import How, OciTarget, S3Target, Target, break_off, measure
from support.cutting_proxy import CuttingProxy
from support.small_artifacts import write_artifact
from visionft_trainer.settings import Settings

SIZES = (80_000, 40_000)
HOWS: list[How] = ["connection cut", "server gone"] * 2 + ["killed"]


def check(target: Target, proxy: CuttingProxy, place: Path, seed: int) -> None:
    artifact = write_artifact(place, sizes=SIZES)
    total = measure(target, proxy, artifact, 0)
    assert total > sum(SIZES)
    noise = random.Random(seed)
    assert set(HOWS) == set(get_args(How))
    for number, how in enumerate(HOWS, 1):
        # Other bytes each time: a registry keeps blobs once for all repositories.
        artifact = write_artifact(place / str(number), seed=number, sizes=SIZES)
        outcome = break_off(target, proxy, artifact, number, how, noise, place, total)
        assert outcome.right, outcome


def test_s3(store_proxy: CuttingProxy, bucket: S3Store, keys: Settings, tmp_path: Path) -> None:
    check(S3Target(store_proxy.port, keys.secrets, bucket), store_proxy, tmp_path, 1)


def test_oci(oci_proxy: CuttingProxy, oci: registry.server.Registry, tmp_path: Path) -> None:
    check(OciTarget(oci_proxy.port, oci.host), oci_proxy, tmp_path, 2)
