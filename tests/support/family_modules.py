"""Names of a model's layers with numbers left out, counted: what golden files of families keep."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from visionft_trainer.families import Family

from support.family_bench import folder_name

GOLDEN = Path(__file__).parents[1] / "golden" / "families"
NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")

Counts = dict[str, int]


def counted(names: Iterable[str]) -> Counts:
    """`{"model.layers.*.mlp.up_proj": 2}` for a name of each of two layers."""
    return dict(sorted(Counter(NUMBER.sub("*", name) for name in names).items()))


def golden(family: Family, section: str, found: Any) -> Any:
    """What the family's golden file says of `section`; UPDATE_GOLDEN=1 writes `found` there first."""
    path = GOLDEN / f"{folder_name(family)}.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    if os.environ.get("UPDATE_GOLDEN"):
        kept[section] = found
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    return kept.get(section)
