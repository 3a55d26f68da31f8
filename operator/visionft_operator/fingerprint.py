"""Short fingerprints of objects, to tell whether one has been applied already."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def fingerprint(body: dict[str, Any]) -> str:
    """Return 16 hexadecimal digits that change when the object does."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
