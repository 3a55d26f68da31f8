"""`spec.tracking`: other places that get the curves and figures of a run. None of it is part of what is trained."""

from typing import Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import WANDB_ENTITY_PATTERN, WANDB_PROJECT_PATTERN, Url
from visionft_api.rules import Rule
from visionft_api.spec.refs import SecretRef


class MlflowSpec(ApiModel):
    """An MLflow server."""

    tracking_uri: Url = Field(description="Address of the server.")
    experiment: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="Experiment that the run goes to. Absent: NAMESPACE/NAME.",
    )
    secret_ref: SecretRef | None = Field(
        default=None,
        description="Secret with the keys MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
        "MLFLOW_TRACKING_TOKEN.",
    )


class WandbSpec(ApiModel):
    """Weights & Biases."""

    project: str = Field(
        pattern=WANDB_PROJECT_PATTERN, min_length=1, max_length=128, description="Project that the run goes to."
    )
    entity: str | None = Field(
        default=None,
        pattern=WANDB_ENTITY_PATTERN,
        min_length=1,
        max_length=128,
        description="User or team. Absent: the key's own.",
    )
    mode: Literal["Offline", "Online"] = Field(
        default="Offline",
        description="Offline writes a folder beside the results, to be sent later with `wandb sync`; Online sends "
        "while training.",
    )
    secret_ref: SecretRef | None = Field(default=None, description="Secret with the key WANDB_API_KEY.")

    rules = (
        Rule(
            cel="self.mode == 'Offline' || has(self.secretRef)",
            holds=lambda m: m.mode == "Offline" or m.secret_ref is not None,
            message="mode {mode} needs a key to send with; set secretRef to a Secret with the key WANDB_API_KEY, or "
            "use mode Offline",
            at="mode",
        ),
    )


class TrackingSpec(ApiModel):
    """Where curves and figures go besides status, report and metrics. None of it stops a training."""

    tensorboard: bool = Field(default=False, description="Write event files for TensorBoard beside the results.")
    mlflow: MlflowSpec | None = Field(default=None, description="An MLflow server. Absent: none.")
    wandb: WandbSpec | None = Field(default=None, description="Weights & Biases. Absent: not.")
