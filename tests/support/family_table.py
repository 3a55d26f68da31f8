"""The table of families and what is proven of each: its columns, its cells from a test run, its form in the docs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from visionft_trainer.families import FAMILIES, REMOTE_FAMILIES, Family

PAGE = Path(__file__).parents[2] / "docs" / "families.md"
BEGIN, END = "<!-- begin: made by tests/integration/families -->", "<!-- end -->"
PROVEN = "yes"
TABLED = (*FAMILIES, *REMOTE_FAMILIES)

Cells = Mapping[tuple[str, str], bool]
"""Whether all tests of (family, capability) passed; what was not tested is not in it."""


@dataclass(frozen=True)
class Capability:
    """A column."""

    title: str
    applies: Callable[[Family], bool] = lambda family: True
    """Families that are tested for it; the others have an empty cell."""


CAPABILITIES: Mapping[str, Capability] = {
    "inputs": Capability("inputs"),
    "loss": Capability("loss and gradients"),
    "reach": Capability("LoRA reach"),
    "nf4": Capability("nf4"),
    "mixed": Capability("mixed pictures"),
    "frozen": Capability("frozen tower"),
    "merge": Capability("merge"),
    "generation": Capability("generation"),
    "int8": Capability("int8"),
    "dora": Capability("DoRA"),
    "full": Capability("full fine-tuning"),
    "packing": Capability("packing", lambda family: family.packs),
}


def page_with_table(page: str, cells: Cells) -> str:
    """`page` with what stands between the two marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(cells)}\n{END}{after}"


def table(cells: Cells) -> str:
    """As Markdown, with the reason for each empty cell below."""
    titles = [capability.title for capability in CAPABILITIES.values()]
    lines = [_line(["family", "`model_type`", *titles]), _line(["---"] * (2 + len(titles)))]
    for family in TABLED:
        types = ", ".join(f"`{name}`" for name in sorted(family.model_types))
        proven = [PROVEN if cells.get((family.name, name)) else "" for name in CAPABILITIES]
        lines.append(_line([family.name, types, *proven]))
    names = [
        f"- {family.name}: {', '.join(f'`{name}`' for name in family.hub_names)}"
        for family in TABLED
        if family.hub_names
    ]
    reasons = [f"- {family.name} does not pack: {family.unpacked_because}." for family in TABLED if not family.packs]
    known = ["", "Checkpoints on the hub that are of these families, among others:", "", *names]
    return "\n".join([*lines, *([""] if reasons else []), *reasons, *known])


def committed_cells(page: str) -> dict[tuple[str, str], bool]:
    """The cells of the table in `page`."""
    rows = [line for line in page.partition(BEGIN)[2].partition(END)[0].splitlines() if line.startswith("|")]
    cells = {}
    for row in rows[2:]:
        family, _, *marks = [cell.strip() for cell in row.strip("|").split("|")]
        cells |= {(family, name): mark == PROVEN for name, mark in zip(CAPABILITIES, marks, strict=False)}
    return cells


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
