"""`spec.drift`: measuring again, long after the run."""

from typing import Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import CRON_PATTERN, DECIMAL_PATTERN, DecimalString
from visionft_api.rules import Rule, malformed
from visionft_api.spec.dataset import DataSource


class DriftThresholds(ApiModel):
    """What counts as drift."""

    metric_loss: DecimalString = Field(
        default="0.02", description="How much worse a metric may become, in the metric's own unit."
    )
    p_value: DecimalString = Field(
        default="0.01", description="Probability below which a change of the inputs is no chance any more."
    )

    rules = (
        Rule(
            cel="double(self.pValue) > 0.0 && double(self.pValue) < 1.0",
            holds=lambda m: 0 < float(m.p_value) < 1,
            message='pValue "{pValue}" must be above 0 and below 1; usual values are "0.01" and "0.05"',
            at="pValue",
            unless=(malformed("pValue", DECIMAL_PATTERN),),
        ),
    )


class DriftSpec(ApiModel):
    """A schedule on which the tuned model is measured again."""

    schedule: str = Field(
        pattern=CRON_PATTERN,
        min_length=6,
        max_length=64,
        description='When to measure, in cron form: "0 3 * * *" is each night at three, UTC.',
    )
    dataset: DataSource | None = Field(default=None, description="Rows to measure on. Absent: the validation rows.")
    thresholds: DriftThresholds = Field(default_factory=DriftThresholds, description="What counts as drift.")
    on_drift: Literal["Report", "Fail", "Retrain"] = Field(
        default="Report",
        description="What happens on drift: Report sets a condition, Fail makes the resource Failed, Retrain starts a "
        "run.",
    )
