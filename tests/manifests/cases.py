"""The manifests of this folder: `valid/` are taken everywhere, `invalid/` are refused with the text in their header.

The header of an invalid manifest holds, after a line on what is wrong:

    # kind: schema | bounds | pattern | rule
    # field: path of the field
    # says: text that must be in the message of both, the API server and the parser
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class InvalidManifest:
    """One wrong manifest and what must be said about it."""

    name: str
    text: str
    kind: str
    field: str
    says: str


def invalid_manifests() -> list[InvalidManifest]:
    """Every wrong manifest, by name."""
    return [_read(path) for path in sorted((FOLDER / "invalid").glob("*.yaml"))]


def valid_manifests() -> list[Path]:
    """Every right manifest."""
    return sorted((FOLDER / "valid").glob("*.yaml"))


def _read(path: Path) -> InvalidManifest:
    text = path.read_text(encoding="utf-8")
    header: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            break
        name, separator, value = line.removeprefix("# ").partition(": ")
        if separator:
            header[name] = value
    return InvalidManifest(path.stem, text, header["kind"], header["field"], header["says"])
