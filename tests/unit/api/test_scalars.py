"""The strings that have a form: durations, sizes, CPUs, decimals, gates, places on a claim."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from visionft_api.decimals import format_decimal
from visionft_api.durations import parse_duration
from visionft_api.fields import SIGNED_DECIMAL_PATTERN
from visionft_api.gates import parse_gate
from visionft_api.locations import PvcLocation, parse_pvc_uri
from visionft_api.metrics import METRICS
from visionft_api.quantities import format_size, parse_cpu, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("24h", 86_400), ("1h30m", 5400), ("0s", 0), ("1h1m1s", 3661)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "2d", "1.5h", "30", "-1h", "1m1h", "1 h", "123456h", "1h\n"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match='is not a duration in hours, minutes and seconds, such as "90s"'):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("512", 512), ("1k", 1000), ("20Mi", 20 * 2**20), ("1.5Gi", 3 * 2**29), ("0.3", 1)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(("size", "text"), [(20 * 2**20, "20Mi"), (3 * 2**29, "1.5Gi"), (1000, "1000"), (2**40, "1Ti")])
def test_sizes_for_people(size: int, text: str) -> None:
    assert format_size(size) == text
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "64GB", "400m", "-1Gi", "1e3", "Gi", "1Gi\n"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match='is not a size in bytes, such as "512Mi" or "16Gi"'):
        parse_size(text)


def test_cpus() -> None:
    assert parse_cpu("4") == 4
    assert parse_cpu("500m") == Decimal("0.5")
    assert parse_cpu("1.25") == Decimal("1.25")
    with pytest.raises(ValueError, match='"4 cores" is not a number of CPUs'):
        parse_cpu("4 cores")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.43124, "0.4312"),
        (-0.66823, "-0.6682"),
        (0.0, "0.0000"),
        (2e-5, "2.0000e-05"),
        (123456789.5, "123456789.5000"),
        (float("nan"), None),
        (float("-inf"), None),
        (1e12, None),
    ],
)
def test_floats_become_what_the_status_takes(number: float, text: str | None) -> None:
    assert format_decimal(number) == text
    if text is not None:
        assert re.fullmatch(SIGNED_DECIMAL_PATTERN, text)
        assert float(text) == pytest.approx(number, abs=5e-5)


@pytest.mark.parametrize(
    ("gate", "passing", "failing"),
    [
        ("cer <= 0.05", 0.05, 0.0501),
        ("wer<2e-1", 0.1999, 0.2),
        ("exactMatch >= 0.9", 0.9, 0.8999),
        ("exactMatch > 0", 0.001, 0.0),
        ("fieldF1>=0.8", 0.8, 0.7999),
        ("ciderD >= 9.5", 9.5, 9.4999),
    ],
)
def test_gates_decide_at_their_edge(gate: str, passing: float, failing: float) -> None:
    assert parse_gate(gate).passes(passing)
    assert not parse_gate(gate).passes(failing)


@pytest.mark.parametrize(
    ("text", "holds", "fails"),
    [("cer < baseline", (-0.4, -0.001), (-0.4, 0.0)), ("ciderD>baseline", (0.001, 0.4), (0.0, 0.4))],
)
def test_a_gate_against_the_base_model_wants_the_whole_interval(
    text: str, holds: tuple[float, float], fails: tuple[float, float]
) -> None:
    gate = parse_gate(text)
    assert gate.against_baseline
    assert gate.beats_baseline(*holds)
    assert not gate.beats_baseline(*fails)
    assert str(gate) == f"{gate.metric} {gate.operator} baseline"
    with pytest.raises(ValueError, match="decided by an interval"):
        gate.passes(0.0)


def test_no_metric_is_the_beginning_of_another() -> None:
    """CEL tells a gate's metric by how the gate begins."""
    assert [(a, b) for a in METRICS for b in METRICS if a != b and b.startswith(a)] == []


@pytest.mark.parametrize(
    "text", ["cer", "cer 0.05", "cer == 0.05", "cer =< 0.05", "ter > 1", "cer <= baseline", "0.05 >= cer", "cer <= -1"]
)
def test_what_is_no_gate(text: str) -> None:
    with pytest.raises(ValueError, match=r"a metric .*, an operator .* and a number"):
        parse_gate(text)


def test_places_on_a_claim() -> None:
    assert parse_pvc_uri("pvc://models/qwen/2b/") == PvcLocation("models", "qwen/2b")
    assert parse_pvc_uri("pvc://models") == PvcLocation("models", "")
    assert parse_pvc_uri("pvc://models/a").uri == "pvc://models/a"


@pytest.mark.parametrize(
    "uri", ["s3://a/b", "pvc://", "pvc:///a", "pvc://A/b", "pvc://a/../b", "pvc://a//b", "pvc://a/b/.."]
)
def test_what_is_no_place_on_a_claim(uri: str) -> None:
    with pytest.raises(ValueError, match="pvc://"):
        parse_pvc_uri(uri)
