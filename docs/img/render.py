"""Draw a recorded terminal as a picture.

    script -qec "make demo" FILE
    .venv/bin/python docs/img/render.py FILE docs/img/demo.svg

Of a long table only its first and last rows are kept, with "..." where rows are left out.
"""

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 100
ERASE_LINE = "\x1b[K"
TABLE_ROWS_KEPT = (9, 6)


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    recorded = source.read_bytes().decode().replace(ERASE_LINE, "")
    lines = re.sub(r"\r+\n", "\n", recorded).split("\n")
    lines = [line.rsplit("\r", 1)[-1] for line in lines if not line.startswith(("Script started", "Script done"))]
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in shortened([Text.from_ansi(line) for line in lines]):
        console.print(line, no_wrap=True, overflow="crop")
    # Without the fonts that rich would have the reader's browser fetch.
    picture = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="make demo"), flags=re.DOTALL)
    target.write_text(picture, encoding="utf-8")


def shortened(lines: list[Text]) -> list[Text]:
    """Leave out the middle of the table that follows the resource."""
    rows = [index for index, line in enumerate(lines) if line.plain.startswith("digits ")]
    first, last = TABLE_ROWS_KEPT
    if len(rows) <= first + last:
        return lines
    return [*lines[: rows[first]], Text("  ..."), *lines[rows[-last] :]]


if __name__ == "__main__":
    main()
