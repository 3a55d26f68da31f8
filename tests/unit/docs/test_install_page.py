"""docs/install.md names the operator's settings, with their defaults, and files that exist."""

import re
from dataclasses import fields
from pathlib import Path

from visionft_operator.settings import Endpoint, Settings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


def test_the_settings_and_their_defaults() -> None:
    rows = dict(re.findall(r"^\| `(VISIONFT_\w+)` \| `?([^|`]*?)`? \|", PAGE, re.MULTILINE))
    default = Settings()
    expected = {}
    for field in fields(Settings):
        value = getattr(default, field.name)
        text = f"{value.host}:{value.port}" if isinstance(value, Endpoint) else str(value)
        expected[f"VISIONFT_{field.name.upper()}"] = text or "(empty)"
    assert rows == expected


def test_the_files_that_its_commands_name_exist() -> None:
    named = re.findall(r"-f ([\w./-]+)", PAGE)
    assert named
    for path in named:
        assert (ROOT / path).exists(), path
