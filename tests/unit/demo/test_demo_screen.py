"""What the demo prints reads well in a terminal and in a file."""

import io
from typing import Any

import pytest
from screen import Screen, Table
from summary import duration, print_summary, share, size
from visionft_api.parse import parse_resource

COLUMNS = ("Name", "Phase", "Progress", "Age")
SENTENCE = "Tuning lowered the character error rate from 0.71 to 0.03 on 200 rows; every gate holds."
WIDEST = ("digits", "Succeeded", "100%", "2m31s")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_stay_in_line_from_the_first_row_to_the_last() -> None:
    out = io.StringIO()
    table = Table(Screen(out), COLUMNS, WIDEST)
    table.row(("digits", "", "", "0s"), "")
    table.row(("digits", "Succeeded", "100%", "2m31s"), "train 600/600")
    header, first, last = out.getvalue().splitlines()
    assert header.index("AGE") == first.index("0s") == last.index("2m31s")
    assert header.index("PHASE") == last.index("Succeeded")
    assert last.endswith("train 600/600")
    assert first == first.rstrip()


def test_a_file_gets_no_colours_and_no_half_done_steps() -> None:
    out = io.StringIO()
    screen = Screen(out)
    screen.title("visionft")
    with screen.step("cluster") as step:
        step.outcome = "up in 3 s"
    screen.failure("It failed.")
    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()
    assert out.getvalue().splitlines() == ["", "visionft", "", "  ✓ cluster     up in 3 s", "", "✗ It failed."]


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert Screen(Terminal()).style("text", "1") == "text"


def test_a_step_that_fails_is_not_called_done() -> None:
    out = io.StringIO()
    screen = Screen(out)
    with pytest.raises(RuntimeError), screen.step("cluster"):
        raise RuntimeError
    assert "✓" not in out.getvalue()


def succeeded() -> dict[str, Any]:
    return {
        "apiVersion": "visionft.dev/v1alpha1",
        "kind": "VisionFineTune",
        "metadata": {"name": "digits", "namespace": "demo"},
        "spec": {
            "model": {"uri": "pvc://digits/model"},
            "dataset": {
                "train": {"pvc": {"claimName": "digits", "path": "train.jsonl"}},
                "validation": {"pvc": {"claimName": "digits", "path": "validation.jsonl"}},
            },
            "evaluation": {"gates": ["cer <= 0.05"]},
            "output": {"pvc": {"claimName": "digits"}},
        },
        "status": {
            "evaluation": {
                "baseline": {"cer": "0.7134"},
                "tuned": {"cer": "0.0312", "exactMatch": "0.8500"},
                "intervals": {"tuned": {"cer": {"low": "0.0213", "high": "0.0401"}}},
                "vision": {"baseline": {"shuffled": {"cer": "0.9650"}}, "tuned": {"shuffled": {"cer": "0.9326"}}},
                "verdict": "Passed",
                "conclusion": "Better",
                "summary": SENTENCE,
                "samples": 200,
            },
            "artifacts": [
                {
                    "kind": "adapter",
                    "uri": "pvc://digits/run-1/adapter",
                    "digest": "sha256:" + "ab" * 32,
                    "size": 963176,
                }
            ],
        },
    }


def test_the_summary_tells_what_was_gained_and_what_was_left() -> None:
    out = io.StringIO()
    answers = [
        {"reference": "1234", "baseline": "1234", "tuned": "1234"},
        {"reference": "5678", "baseline": "9", "tuned": "5678"},
    ]
    print_summary(Screen(out), parse_resource(succeeded()), answers, "demo/report.html", 161.0)
    text = out.getvalue()
    for said in ("200 held-out lines", "71.3 %", "3.1 %   2.1 % to 4.0 %", "96.5 %", "93.3 %", "963 kB", "2 min 41 s",
                 "pvc://digits/run-1/adapter", "sha256:" + "ab" * 32, "demo/report.html"):  # fmt: skip
        assert said in text
    assert SENTENCE in " ".join(text.split())
    lines = [line.strip() for line in text.splitlines()]
    (first,) = [index for index, line in enumerate(lines) if line.startswith("character error rate")]
    assert lines[first + 1].startswith("with wrong pictures"), "it is about the metric above it"
    assert "5678" in text
    assert "1234" not in text  # a line that the base model could read shows nothing
    assert max(len(line) for line in text.splitlines()) <= 80


def test_numbers_are_short() -> None:
    assert [share("0.0312"), share("1"), share("")] == ["3.1 %", "100.0 %", ""]
    assert [size(12), size(963_176), size(5_316_061)] == ["12 B", "963 kB", "5.3 MB"]
    assert [duration(44.4), duration(161)] == ["44 s", "2 min 41 s"]
