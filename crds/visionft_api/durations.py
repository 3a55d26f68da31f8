"""Durations of the API: "90s", "30m", "24h", "1h30m"."""

import re
from datetime import timedelta

from visionft_api.fields import DURATION_PATTERN, WHAT_FITS

_FORM = re.compile(DURATION_PATTERN)


def parse_duration(text: str) -> timedelta:
    """Read a duration.

    Raises:
        ValueError: the text is no duration; the message says what would be.
    """
    match = _FORM.fullmatch(text)
    if not text or match is None:
        raise ValueError(f'"{text}" is not {WHAT_FITS[DURATION_PATTERN]}')
    hours, minutes, seconds = (int(part[:-1]) if part else 0 for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
