"""The table in docs/families.md says what this run has proven, neither more nor less.

To write it: UPDATE_GOLDEN=1 python -m pytest tests/integration/families
"""

from __future__ import annotations

import os

from support.family_table import CAPABILITIES, PAGE, TABLED, committed_cells, page_with_table
from support.tiny_models import TINY_MODELS
from support.tiny_models.remote_code import REMOTE_MODELS


def test_every_family_is_tested() -> None:
    assert sorted({**TINY_MODELS, **REMOTE_MODELS}) == sorted(family.name for family in TABLED)


def test_documented_table_is_what_this_run_proves(proven: dict[tuple[str, str], bool], whole_run: bool) -> None:
    page = PAGE.read_text(encoding="utf-8")
    if not whole_run:  # then only what was run can be compared
        committed = committed_cells(page)
        assert {cell: committed.get(cell, False) for cell in proven} == proven
        return
    assert {capability for _, capability in proven} <= set(CAPABILITIES)
    expected = page_with_table(page, proven)
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(expected, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == expected
