"""docs/remote-code.md and docs/boxes.md say what the code does."""

import re
import subprocess
from pathlib import Path

from visionft_trainer.data.rows import Box
from visionft_trainer.families import FAMILIES, REMOTE_FAMILIES
from visionft_trainer.families.frames import THOUSANDTHS
from visionft_trainer.storage.digest import folder_digest

DOCS = Path(__file__).parents[3] / "docs"
CAT = Box("cat", 0.0, 0.0, 0.5, 0.5)
SIZE = (640, 480)


def _rows(page: str) -> list[list[str]]:
    lines = [line for line in (DOCS / page).read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_families_that_need_code() -> None:
    expected = [
        [family.name, f"`{next(iter(family.model_types))}`", f"transformers {remote.transformers}", remote.instead]
        for family in REMOTE_FAMILIES
        if (remote := family.remote_code)
    ]
    assert _rows("remote-code.md") == expected


def test_the_command_prints_the_digest(tmp_path: Path) -> None:
    for name in ("b.py", "a.json", "sub/z y.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    page = (DOCS / "remote-code.md").read_text()
    (command,) = [line.strip() for line in page.splitlines() if line.startswith("    find ")]
    printed = subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert f"sha256:{printed.split()[0]}" == folder_digest(tmp_path)


def test_how_each_family_writes_a_box() -> None:
    families = {family.name: family for family in (*FAMILIES, *REMOTE_FAMILIES)}
    told = {}
    for names, text in _rows("boxes.md"):
        for name in names.split(", "):
            told[name] = text.strip("`").replace("\\|", "|")
    assert told.pop("all others") == THOUSANDTHS.write([CAT], None)
    assert told == {
        name: family.frame.write([CAT], SIZE) for name, family in families.items() if family.frame != THOUSANDTHS
    }
