"""`spec.evaluation`: what is measured, and what the result must reach."""

from typing import Annotated

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import GATE_PATTERN
from visionft_api.gates import Gate, parse_gate
from visionft_api.lists import SET
from visionft_api.metrics import LOWER_IS_BETTER, METRICS, MOST_OF_CIDER, Metric, highest_gate
from visionft_api.rules import Rule, Value
from visionft_api.spec.dataset import COLUMN_RULES, ColumnsSpec, DatasetFormat, DataSource

MAX_PROMPTS = 8

GateString = Annotated[str, Field(pattern=GATE_PATTERN, min_length=5, max_length=48)]
Metrics = Annotated[list[Metric], Field(max_length=len(METRICS)), SET]
Prompt = Annotated[str, Field(min_length=1, max_length=4096)]

_MALFORMED = (f"self.gates.exists(g, !g.matches(r'{GATE_PATTERN}'))",)
_THRESHOLD = "double(g.find('[0-9][0-9.eE+-]*$'))"
_HIGHEST = f"(g.startsWith('ciderD') ? {MOST_OF_CIDER}.0 : 1.0)"
_HAS_METRIC = "self.metrics.exists(m, g.startsWith(m))"
_LOWER = " || ".join(f"g.startsWith('{metric}')" for metric in sorted(LOWER_IS_BETTER))
_RIGHT_WAY = f"(({_LOWER}) ? g.contains('<') : g.contains('>'))"
_MEETABLE = f"(g.endsWith('baseline') || g.contains('=') || {_THRESHOLD} != (g.contains('<') ? 0.0 : {_HIGHEST}))"
_WITHIN = f"(g.endsWith('baseline') || {_THRESHOLD} <= {_HIGHEST})"


def _gates(spec: "EvaluationSpec") -> list[tuple[str, Gate]]:
    return [(text, parse_gate(text)) for text in spec.gates]


def _without_metric(spec: "EvaluationSpec") -> list[str]:
    return [text for text, gate in _gates(spec) if gate.metric not in spec.metrics]


def _wrong_way(spec: "EvaluationSpec") -> list[str]:
    return [text for text, gate in _gates(spec) if gate.lower_passes != (gate.metric in LOWER_IS_BETTER)]


def _too_high(spec: "EvaluationSpec") -> list[str]:
    return [
        text for text, gate in _gates(spec) if gate.threshold is not None and gate.threshold > highest_gate(gate.metric)
    ]


def _never_met(spec: "EvaluationSpec") -> list[str]:
    return [
        text
        for text, gate in _gates(spec)
        if gate.operator in ("<", ">") and gate.threshold == (0 if gate.operator == "<" else highest_gate(gate.metric))
    ]


def _against_baseline(spec: "EvaluationSpec") -> list[str]:
    return [text for text, gate in _gates(spec) if gate.against_baseline]


class GeneralSpec(DataSource):
    """Rows of another kind than those that are learnt: what the model could do before, and should still."""

    format: DatasetFormat = Field(default="messages", description="Form of the rows, as in spec.dataset.format.")
    columns: ColumnsSpec | None = Field(
        default=None, description="Column names, where they are not those that the format expects."
    )
    metrics: Metrics | None = Field(
        default=None, description="Metrics to compute on these rows. Absent: those of spec.evaluation.metrics."
    )

    rules = (
        *DataSource.rules,
        *COLUMN_RULES,
        Rule(
            cel="self.format != 'columns' || (has(self.columns) && has(self.columns.prompt))",
            holds=lambda m: m.format != "columns" or bool(m.columns and m.columns.prompt),
            message='rows of format "{format}" have no question here; set columns.prompt to its column',
            at="format",
        ),
    )


class EvaluationSpec(ApiModel):
    """Measuring on the validation rows: the base model before, the tuned one after."""

    metrics: Metrics = Field(
        default=["cer"],
        description="Metrics to compute; the verdict's sentence is about the first. Text: cer and wer (character and "
        "word error rate), anls, exactMatch (share of answers that are right to the letter). Fields: fieldF1, "
        "ntedAccuracy. Questions: relaxedAccuracy (numbers within 5 percent), multipleChoice. Boxes: "
        "groundedAccuracy. Captions: bleu, rougeL, ciderD.",
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
        description='Conditions that the tuned model must meet for the run to succeed, such as "cer <= 0.05", or '
        '"cer < baseline": better than the base model by more than chance. All must hold. Empty: the run succeeds '
        "whatever is measured.",
    )
    prompts: Annotated[list[Prompt], Field(max_length=MAX_PROMPTS), SET] = Field(
        default=[],
        description="Other ways of asking that the base model is measured with too, which shows whether a better "
        "prompt does as well as tuning. {prompt} stands for the row's own question; without it the text takes its "
        "place.",
    )
    few_shot: int = Field(
        default=0,
        ge=0,
        le=8,
        description="Training rows that the base model is also shown as examples before each question. 0: it is not.",
    )
    vision_reliance: bool = Field(
        default=True,
        description="Measure also with pictures exchanged and blanked, which shows whether the model looks at them.",
    )
    vision_samples: int = Field(
        default=64, ge=2, le=10_000, description="Validation rows for visionReliance, the first ones."
    )
    general: GeneralSpec | None = Field(
        default=None,
        description="Rows of another kind, measured before and after, which show what was forgotten. Absent: none.",
    )
    report_samples: int = Field(
        default=24, ge=0, le=200, description="Rows that the report shows with picture and answers."
    )

    rules = (
        Rule(
            cel="self.metrics.size() > 0",
            holds=lambda m: bool(m.metrics),
            message="metrics is empty; name at least one, such as cer, or leave it out",
            at="metrics",
        ),
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
            message='gate "{gate}" would pass only a bad model: cer and wer are better when lower (use < or <=), every '
            "other metric when higher (use > or >=)",
            at="gates",
            unless=_MALFORMED,
            values={"gate": Value(f"self.gates.filter(g, !{_RIGHT_WAY})[0]", lambda m: _wrong_way(m)[0])},
        ),
        Rule(
            cel=f"self.gates.all(g, {_WITHIN})",
            holds=lambda m: not _too_high(m),
            message=f'gate "{{gate}}" has a threshold that is too high: ciderD goes to {MOST_OF_CIDER}, the other '
            "metrics are shares of 1, so 5 percent is 0.05",
            at="gates",
            unless=_MALFORMED,
            values={"gate": Value(f"self.gates.filter(g, !{_WITHIN})[0]", lambda m: _too_high(m)[0])},
        ),
        Rule(
            cel=f"self.gates.all(g, {_MEETABLE})",
            holds=lambda m: not _never_met(m),
            message='gate "{gate}" can never be met, because no figure lies beyond its threshold; use <= or >=, or '
            "another threshold",
            at="gates",
            unless=_MALFORMED,
            values={"gate": Value(f"self.gates.filter(g, !{_MEETABLE})[0]", lambda m: _never_met(m)[0])},
        ),
        Rule(
            cel="self.baseline || !self.gates.exists(g, g.endsWith('baseline'))",
            holds=lambda m: m.baseline or not _against_baseline(m),
            message='gate "{gate}" needs the base model\'s figure; set baseline to true',
            at="gates",
            unless=_MALFORMED,
            values={
                "gate": Value("self.gates.filter(g, g.endsWith('baseline'))[0]", lambda m: _against_baseline(m)[0])
            },
        ),
        Rule(
            cel="self.baseline || self.prompts.size() == 0",
            holds=lambda m: m.baseline or not m.prompts,
            message="prompts are tried with the base model, beside its own figure; set baseline to true or remove them",
            at="prompts",
        ),
        Rule(
            cel="self.baseline || self.fewShot == 0",
            holds=lambda m: m.baseline or m.few_shot == 0,
            message="fewShot {fewShot} is tried with the base model, beside its own figure; set baseline to true or "
            "remove it",
            at="fewShot",
        ),
    )

    @property
    def parsed_gates(self) -> list[Gate]:
        """The gates, read."""
        return [parse_gate(text) for text in self.gates]
