"""`spec`, in the order a user thinks: what is tuned, on what, how, what it must reach, where it goes."""

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.rules import Rule
from visionft_api.spec.adapter import AdapterSpec
from visionft_api.spec.dataset import (
    ColumnsSpec,
    ConfigMapSource,
    DatasetSpec,
    DataSource,
    HubSource,
    ImageSpec,
    LimitsSpec,
    PvcSource,
    S3Source,
)
from visionft_api.spec.drift import DriftSpec, DriftThresholds
from visionft_api.spec.evaluation import EvaluationSpec, GeneralSpec
from visionft_api.spec.model import ModelSpec
from visionft_api.spec.output import HubOutput, OciOutput, OutputSpec, PvcOutput, S3Output
from visionft_api.spec.pod_template import EnvVar, PodTemplateSpec, Toleration
from visionft_api.spec.queue import QueueSpec
from visionft_api.spec.refs import ProfileRef, SecretRef
from visionft_api.spec.resources import ResourcesSpec
from visionft_api.spec.run_policy import RunPolicySpec
from visionft_api.spec.tracking import MlflowSpec, TrackingSpec, WandbSpec
from visionft_api.spec.training import CheckpointsSpec, EarlyStoppingSpec, TrainingSpec

__all__ = [
    "AdapterSpec",
    "CheckpointsSpec",
    "ColumnsSpec",
    "ConfigMapSource",
    "DataSource",
    "DatasetSpec",
    "DriftSpec",
    "DriftThresholds",
    "EarlyStoppingSpec",
    "EnvVar",
    "EvaluationSpec",
    "GeneralSpec",
    "HubOutput",
    "HubSource",
    "ImageSpec",
    "LimitsSpec",
    "MlflowSpec",
    "ModelSpec",
    "OciOutput",
    "OutputSpec",
    "PodTemplateSpec",
    "ProfileRef",
    "PvcOutput",
    "PvcSource",
    "QueueSpec",
    "ResourcesSpec",
    "RunPolicySpec",
    "S3Output",
    "S3Source",
    "SecretRef",
    "Toleration",
    "TrackingSpec",
    "TrainingSpec",
    "VisionFineTuneSpec",
    "WandbSpec",
]


class VisionFineTuneSpec(ApiModel):
    """What a user wants."""

    model: ModelSpec = Field(description="The model that is tuned.")
    dataset: DatasetSpec = Field(description="The rows to learn from and to measure on.")
    adapter: AdapterSpec = Field(default_factory=AdapterSpec, description="The LoRA weights that are trained.")
    training: TrainingSpec = Field(default_factory=TrainingSpec, description="How long, how fast, how often saved.")
    evaluation: EvaluationSpec = Field(
        default_factory=EvaluationSpec, description="What is measured, and what the result must reach."
    )
    drift: DriftSpec | None = Field(default=None, description="Measuring again on a schedule. Absent: never.")
    output: OutputSpec = Field(description="What a run leaves, and where.")
    tracking: TrackingSpec = Field(
        default_factory=TrackingSpec, description="Where curves and figures go besides status and report."
    )
    resources: ResourcesSpec = Field(default_factory=ResourcesSpec, description="What a run may use.")
    queue: QueueSpec | None = Field(default=None, description="Kueue queue that the run waits in. Absent: none.")
    pod_template: PodTemplateSpec = Field(
        default_factory=PodTemplateSpec, description="What may be changed on the trainer's pod."
    )
    run_policy: RunPolicySpec = Field(
        default_factory=RunPolicySpec, description="When a run stops, is tried again, or is repeated."
    )
    profile_ref: ProfileRef | None = Field(
        default=None, description="Settings to start from, offered by a platform team."
    )

    rules = (
        Rule(
            cel="has(self.dataset.validation) || !has(self.evaluation.gates) || self.evaluation.gates.size() == 0",
            holds=lambda m: m.dataset.validation is not None or not m.evaluation.gates,
            message="evaluation.gates need rows to measure on; set dataset.validation",
            at="evaluation.gates",
        ),
        Rule(
            cel="has(self.dataset.validation) || !has(self.evaluation.every)",
            holds=lambda m: m.dataset.validation is not None or m.evaluation.every is None,
            message="evaluation.every {evaluation.every} needs rows to measure on; set dataset.validation",
            at="evaluation.every",
        ),
        Rule(
            cel="has(self.dataset.validation) || self.evaluation.prompts.size() == 0",
            holds=lambda m: m.dataset.validation is not None or not m.evaluation.prompts,
            message="evaluation.prompts need rows to measure on; set dataset.validation",
            at="evaluation.prompts",
        ),
        Rule(
            cel="has(self.dataset.validation) || self.evaluation.fewShot == 0",
            holds=lambda m: m.dataset.validation is not None or m.evaluation.few_shot == 0,
            message="evaluation.fewShot {evaluation.fewShot} needs rows to measure on; set dataset.validation",
            at="evaluation.fewShot",
        ),
        Rule(
            cel="has(self.dataset.validation) || !has(self.evaluation.general)",
            holds=lambda m: m.dataset.validation is not None or m.evaluation.general is None,
            message="evaluation.general shows what was forgotten beside what was learnt; set dataset.validation, which "
            "shows the latter",
            at="evaluation.general",
        ),
        Rule(
            cel="has(self.dataset.validation) || !has(self.training.earlyStopping)",
            holds=lambda m: m.dataset.validation is not None or m.training.early_stopping is None,
            message="training.earlyStopping needs rows to measure on; set dataset.validation",
            at="training.earlyStopping",
        ),
        Rule(
            cel="!has(self.drift) || has(self.drift.dataset) || has(self.dataset.validation)",
            holds=lambda m: m.drift is None or m.drift.dataset is not None or m.dataset.validation is not None,
            message="drift needs rows to measure on; set drift.dataset or dataset.validation",
            at="drift",
        ),
        Rule(
            cel="!has(self.training.visionLearningRate) || has(self.adapter.layers) || self.adapter.vision",
            holds=lambda m: m.training.vision_learning_rate is None or m.adapter.layers is not None or m.adapter.vision,
            message='training.visionLearningRate "{training.visionLearningRate}" has no effect while adapter.vision is '
            "false; set adapter.vision to true or remove it",
            at="training.visionLearningRate",
        ),
        Rule(
            cel="!has(self.training.visionLearningRate) || !has(self.adapter.layers) || "
            "self.adapter.layers.vision.size() > 0",
            holds=lambda m: (
                m.training.vision_learning_rate is None or m.adapter.layers is None or m.adapter.layers.vision
            ),
            message='training.visionLearningRate "{training.visionLearningRate}" has no effect while '
            "adapter.layers.vision names no kind; write attention or mlp there, or remove it",
            at="training.visionLearningRate",
        ),
        Rule(
            cel="!has(self.dataset.validation) || !has(self.training.earlyStopping) || has(self.evaluation.every)",
            holds=lambda m: (
                m.dataset.validation is None or m.training.early_stopping is None or m.evaluation.every is not None
            ),
            message="training.earlyStopping needs measurements while training; set evaluation.every to the steps "
            "between them",
            at="training.earlyStopping",
        ),
        Rule(
            cel="self.adapter.method != 'full' || self.model.quantization == 'none'",
            holds=lambda m: m.adapter.method != "full" or m.model.quantization == "none",
            message="adapter.method full trains the weights themselves, which {model.quantization} ones cannot be; set "
            "model.quantization to none",
            at="model.quantization",
        ),
        Rule(
            cel="self.adapter.method != 'full' || !self.output.adapter",
            holds=lambda m: m.adapter.method != "full" or not m.output.adapter,
            message="output.adapter {output.adapter} cannot be kept, because adapter.method full makes no adapter; set "
            "it to false and output.merged to true",
            at="output.adapter",
        ),
        Rule(
            cel="!('groundedAccuracy' in self.evaluation.metrics) || self.dataset.format == 'grounding'",
            holds=lambda m: "groundedAccuracy" not in m.evaluation.metrics or m.dataset.format == "grounding",
            message="evaluation.metrics names groundedAccuracy, which needs boxes, and rows of format {dataset.format} "
            "have none; use another metric, or dataset.format grounding",
            at="evaluation.metrics",
        ),
        Rule(
            cel="self.training.sharding != 'fsdp' || self.resources.gpus * self.resources.nodes > 1",
            holds=lambda m: m.training.sharding != "fsdp" or m.resources.gpus * m.resources.nodes > 1,
            message="training.sharding fsdp shares the model among several GPUs, and resources asks for "
            "{resources.gpus}; raise resources.gpus or use auto",
            at="training.sharding",
        ),
        Rule(
            cel="!has(self.podTemplate.workspaceSizeLimit) || !has(self.output.pvc)",
            holds=lambda m: m.pod_template.workspace_size_limit is None or m.output.pvc is None,
            message='podTemplate.workspaceSizeLimit "{podTemplate.workspaceSizeLimit}" has no effect: the run works in '
            "the claim of output.pvc; remove it",
            at="podTemplate.workspaceSizeLimit",
        ),
        Rule(
            cel="self.training.optimizer == 'adamw' || self.resources.gpus > 0",
            holds=lambda m: m.training.optimizer == "adamw" or m.resources.gpus > 0,
            message="training.optimizer {training.optimizer} works on GPUs only; use adamw, or set resources.gpus to "
            "at least 1",
            at="training.optimizer",
        ),
    )
