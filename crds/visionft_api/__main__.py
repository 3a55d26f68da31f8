"""Writes the CustomResourceDefinition: `python -m visionft_api [--check] [PATH]`."""

import argparse
import sys
from pathlib import Path

from visionft_api.crd import CRD_NAME, crd_text

CRD_FILE = Path(__file__).resolve().parents[1] / f"{CRD_NAME}.yaml"


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or with --check compare it. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m visionft_api", description="Write the CRD from the models.")
    parser.add_argument(
        "path", nargs="?", type=Path, default=CRD_FILE, help=f"file to write (default: {CRD_FILE.name})"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file differs")
    options = parser.parse_args(arguments)
    path: Path = options.path
    text = crd_text()
    if not options.check:
        path.write_text(text, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{path} differs from the models; run `python -m visionft_api` and commit the result\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
