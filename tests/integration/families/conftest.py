"""Every test that takes `bench` runs once for each family that has a tiny model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.family_bench import FamilyBench, family_bench, folder_name
from support.family_data import write_family_rows
from support.family_table import CAPABILITIES, TABLED
from support.tiny_models import TINY_MODELS
from support.tiny_models.remote_code import REMOTE_MODELS
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM
from visionft_trainer import libraries

libraries.quiet()
MODELS = {**TINY_MODELS, **REMOTE_MODELS}
BY_NAME = {family.name: family for family in TABLED if family.name in MODELS}
OUTCOMES = pytest.StashKey[dict[tuple[str, str], list[bool]]]()
CHOSEN = pytest.StashKey[bool]()
TABLE_TEST = "test_families_table.py"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "capability(name): the test proves a cell of the table in docs/families.md")
    config.stash[OUTCOMES] = defaultdict(list)
    config.stash[CHOSEN] = False


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "bench" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("capability")
        applies = CAPABILITIES[marker.args[0]].applies if marker else lambda family: True
        names = [name for name, family in BY_NAME.items() if applies(family)]
        metafunc.parametrize("bench", names, indirect=True, scope="session")


def pytest_deselected(items: list[pytest.Item]) -> None:
    if items:
        items[0].config.stash[CHOSEN] = True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The table is compared when everything else has run."""
    items.sort(key=lambda item: item.path.name == TABLE_TEST)
    files = {item.path for item in items}
    if not files.issuperset(Path(__file__).parent.glob("test_*.py")) or any("::" in arg for arg in config.args):
        config.stash[CHOSEN] = True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: Any = yield
    marker = item.get_closest_marker("capability")
    callspec = getattr(item, "callspec", None)
    if marker and callspec and (report.when == "call" or report.failed):
        item.config.stash[OUTCOMES][callspec.params["bench"], marker.args[0]].append(report.passed)
    return report


@pytest.fixture(scope="session")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders that stand for the claims: rows, and the families' models as they are asked for."""
    place = tmp_path_factory.mktemp("claims")
    write_family_rows(place / DATA_CLAIM)
    return place


@pytest.fixture(scope="session")
def images(claims: Path) -> Path:
    """The folder that the rows' image URLs start from."""
    return claims / DATA_CLAIM


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest, named_bench: Callable[[str], FamilyBench]) -> FamilyBench:
    """A family's tiny model with the rows prepared for it."""
    return named_bench(request.param)


@pytest.fixture(scope="session")
def named_bench(claims: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], FamilyBench]:
    """The bench of the family with this name, for tests of what only that family does."""

    @cache
    def build(name: str) -> FamilyBench:
        family = BY_NAME[name]
        MODELS[name](claims / MODEL_CLAIM / folder_name(family))
        return family_bench(family, claims, tmp_path_factory.mktemp("scratch"))

    return build


@pytest.fixture(scope="session")
def base(bench: FamilyBench) -> Any:
    """The family's base model, for tests that neither change nor train it."""
    return bench.base_model()


@pytest.fixture(scope="session")
def alone(bench: FamilyBench, base: Any) -> list[Any]:
    """Its logits `[T, V]` of each row run alone."""
    import torch

    with torch.no_grad():
        return [base(**bench.batch([number])).logits[0] for number in range(len(bench.rows.examples))]


@pytest.fixture(scope="session")
def proven(pytestconfig: pytest.Config) -> dict[tuple[str, str], bool]:
    """What this run has proven so far; see `Cells`."""
    return {cell: all(outcomes) for cell, outcomes in pytestconfig.stash[OUTCOMES].items()}


@pytest.fixture(scope="session")
def whole_run(pytestconfig: pytest.Config) -> bool:
    """Whether all tests of this folder were asked for."""
    return not pytestconfig.stash[CHOSEN]
