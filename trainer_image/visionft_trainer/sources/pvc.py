"""Data on a claim."""

from __future__ import annotations

from visionft_api.spec.dataset import PvcSource

from visionft_trainer.errors import BadDatasetError
from visionft_trainer.settings import Settings
from visionft_trainer.sources import places
from visionft_trainer.sources.local import LocalData, at


def fetch(source: PvcSource, settings: Settings, field: str) -> LocalData:
    """The data where it lies. Raises `BadConfigError` or `BadDatasetError`."""
    field = f"{field}.path"
    found = at(places.in_claim(settings, source.claim_name, source.path, field))
    if found is None:
        raise BadDatasetError(
            f"{field}: {source.path!r} holds no data on the claim {source.claim_name!r}: name a data file, a folder of "
            "data files or pictures, or what the names of several shards begin with."
        )
    return found
