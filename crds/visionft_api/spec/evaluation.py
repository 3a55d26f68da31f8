"""`spec.evaluation`: what is measured, and what the result must reach."""

from typing import Annotated, Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import GATE_PATTERN
from visionft_api.gates import LOWER_IS_BETTER, Gate, parse_gate
from visionft_api.lists import SET
from visionft_api.rules import Rule, Value

Metric = Literal["cer", "wer", "exactMatch"]
GateString = Annotated[str, Field(pattern=GATE_PATTERN, min_length=5, max_length=48)]

_MALFORMED = (f"self.gates.exists(g, !g.matches(r'{GATE_PATTERN}'))",)
_THRESHOLD = "double(g.find('[0-9][0-9.eE+-]*$'))"
_HAS_METRIC = "self.metrics.exists(m, g.startsWith(m))"
_LOWER = " || ".join(f"g.startsWith('{metric}')" for metric in sorted(LOWER_IS_BETTER))
_RIGHT_WAY = f"(({_LOWER}) ? g.contains('<') : g.contains('>'))"


def _gates(spec: "EvaluationSpec") -> list[tuple[str, Gate]]:
    return [(text, parse_gate(text)) for text in spec.gates]


def _without_metric(spec: "EvaluationSpec") -> list[str]:
    return [text for text, gate in _gates(spec) if gate.metric not in spec.metrics]


def _wrong_way(spec: "EvaluationSpec") -> list[str]:
    return [text for text, gate in _gates(spec) if gate.lower_passes != (gate.metric in LOWER_IS_BETTER)]


def _beyond_one(spec: "EvaluationSpec") -> list[str]:
    return [text for text, gate in _gates(spec) if gate.threshold > 1]


class EvaluationSpec(ApiModel):
    """Measuring on the validation rows: the base model before, the tuned one after."""

    metrics: Annotated[list[Metric], Field(max_length=3), SET] = Field(
        default=["cer"],
        description="Metrics to compute: cer (character error rate), wer (word error rate), exactMatch (share of "
        "answers that are right to the letter).",
    )
    baseline: bool = Field(
        default=True,
        description="Measure the base model first, which shows whether tuning is needed and what it gained.",
    )
    every: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Steps between measurements while training. Absent: only at the end.",
    )
    max_samples: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Validation rows to measure on, the first ones. Absent: all."
    )
    max_new_tokens: int = Field(default=256, ge=1, le=8192, description="Tokens that an answer may have.")
    batch_size: int = Field(default=8, ge=1, le=1024, description="Samples answered at a time.")
    gates: Annotated[list[GateString], Field(max_length=8), SET] = Field(
        default=[],
        description='Conditions that the tuned model must meet for the run to succeed, such as "cer <= 0.05". '
        "All must hold. Empty: the run succeeds whatever is measured.",
    )

    rules = (
        Rule(
            cel=f"self.gates.all(g, {_HAS_METRIC})",
            holds=lambda m: not _without_metric(m),
            message='gate "{gate}" is about a metric that is not computed; add it to metrics ({metrics})',
            at="gates",
            unless=_MALFORMED,
            values={
                "gate": Value(f"self.gates.filter(g, !{_HAS_METRIC})[0]", lambda m: _without_metric(m)[0]),
                "metrics": Value("self.metrics.join(', ')", lambda m: ", ".join(m.metrics)),
            },
        ),
        Rule(
            cel=f"self.gates.all(g, {_RIGHT_WAY})",
            holds=lambda m: not _wrong_way(m),
            message='gate "{gate}" would pass only a bad model: cer and wer are better when lower (use <=), '
            "exactMatch when higher (use >=)",
            at="gates",
            unless=_MALFORMED,
            values={"gate": Value(f"self.gates.filter(g, !{_RIGHT_WAY})[0]", lambda m: _wrong_way(m)[0])},
        ),
        Rule(
            cel=f"self.gates.all(g, {_THRESHOLD} <= 1.0)",
            holds=lambda m: not _beyond_one(m),
            message='gate "{gate}" has a threshold above 1; metrics are shares, so 5 percent is 0.05',
            at="gates",
            unless=_MALFORMED,
            values={"gate": Value(f"self.gates.filter(g, {_THRESHOLD} > 1.0)[0]", lambda m: _beyond_one(m)[0])},
        ),
    )

    @property
    def parsed_gates(self) -> list[Gate]:
        """The gates, read."""
        return [parse_gate(text) for text in self.gates]
