"""What the docs state as facts of the code is held against the code; links lead somewhere."""

import re
from pathlib import Path

import pytest
from visionft_api.exit_codes import EXIT_CODES
from visionft_trainer import cli

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "tests" / "sandbox").rglob("*.md"),
    ]
)


def test_exit_codes_page_is_the_table_of_the_api() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if re.match(r"\| \d", line)]
    assert rows == [
        f"| {int(info.code)} | {info.name} | {info.meaning} | {info.mend} | {'yes' if info.retried else 'no'} |"
        for info in EXIT_CODES.values()
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_make_targets_named_in_the_docs_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        for target in re.findall(r"(?:^|`|    )make ([a-z][a-z0-9-]*)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert target in targets, f"{page.name} tells to run make {target}"


def test_calls_of_the_trainer_in_the_docs_are_taken() -> None:
    found = 0
    for page in PAGES:
        for call in re.findall(
            r"(?:^    (?:\$ )?|`|/)(visionft-trainer [^`\n]+)", page.read_text("utf-8"), re.MULTILINE
        ):
            words = call.split()[1:]
            if words[0] in cli.COMMANDS and len(words) > 1 and "|" not in words:
                assert cli.parse(words).command == words[0], f"{page.name}: {call}"
                found += 1
    assert found > 5


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#]+)", (ROOT / "README.md").read_text("utf-8")))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked
