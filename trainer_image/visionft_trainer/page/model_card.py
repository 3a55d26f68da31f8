"""The model card of an artifact, in the Hugging Face hub's form: README.md with metadata that the hub reads."""

from __future__ import annotations

import json
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, Final, Literal

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from visionft_trainer.errors import writing_to
from visionft_trainer.page import cost, figures
from visionft_trainer.page.model import RunReport
from visionft_trainer.page.view import metric_rows
from visionft_trainer.sources.model_files import ModelFiles

CARD_FILE = "README.md"
TEMPLATE = "model_card.md.j2"
PIPELINE: Final = "image-text-to-text"  # the hub's name of the task
LIBRARIES: Final = {"adapter": "peft", "merged": "transformers"}
PROMPT = "Describe the picture."  # of the example, where no row was measured
NEW_TOKENS = 256

Kind = Literal["adapter", "merged"]


def write(folder: Path, report: RunReport, kind: Kind, base: ModelFiles) -> None:
    """Write README.md into `folder`, an artifact of the run that `report` is about. `base` is the base model.

    Raises:
        StorageFailedError: it cannot be written.
    """
    with writing_to(folder):
        (folder / CARD_FILE).write_text(text(report, kind, base), encoding="utf-8")


def text(report: RunReport, kind: Kind, base: ModelFiles) -> str:
    """The card."""
    template = package_files(__package__) / "templates" / TEMPLATE
    card = ModelCard.from_template(
        _metadata(report, kind, base),
        template_str=template.read_text(encoding="utf-8"),
        kind=kind,
        report=report,
        seconds=cost.total_seconds(report.cost),
        judgement=report.judgement,
        rows=metric_rows(report),
        names=report.judgement.metrics if report.judgement else [],
        figures=figures,
        training=report.manifest.get("training", {}),
        adapter=report.manifest.get("adapter", {}),
        quantization=report.manifest.get("model", {}).get("quantization", "none"),
        loading=_loading(report, kind, base),
    )
    return f"{card}\n"


def _metadata(report: RunReport, kind: Kind, base: ModelFiles) -> ModelCardData:
    """What the hub's search and its page of the model are made of."""
    hub_name = report.manifest.get("model", {}).get("name")
    results = _results(report)
    more: dict[str, Any] = {"base_model_relation": "adapter" if kind == "adapter" else "finetune"} if hub_name else {}
    return ModelCardData(
        base_model=hub_name,
        library_name=LIBRARIES[kind],
        pipeline_tag=PIPELINE,
        tags=["visionft", report.manifest.get("adapter", {}).get("method", "lora"), base.family.name.lower()],
        eval_results=results or None,
        model_name=report.name if results else None,
        **_license(base.folder / CARD_FILE),
        **more,
    )


def _results(report: RunReport) -> list[EvalResult]:
    judged = report.judgement
    if judged is None or judged.tuned is None:
        return []
    validation = report.data.validation if report.data else None
    return [
        EvalResult(
            task_type=PIPELINE,
            dataset_type="custom",
            dataset_name=validation.source if validation else "validation rows",
            dataset_split="validation",
            dataset_revision=validation.digest if validation else None,
            metric_type=name,
            metric_name=report.metrics[name].title,
            metric_value=round(figure.value, figures.DIGITS),
        )
        for name, figure in judged.tuned.figures.items()
    ]


def _license(card: Path) -> dict[str, Any]:
    """The license that the base model's own card names."""
    try:
        known = ModelCard.load(card, ignore_metadata_errors=True).data.to_dict()
    except Exception:  # anybody's file: missing, or no card
        return {}
    return {key: str(known[key]) for key in ("license", "license_name", "license_link") if known.get(key)}


def _loading(report: RunReport, kind: Kind, base: ModelFiles) -> dict[str, Any]:
    """What the example of loading needs to know."""
    sample = next((sample for sample in report.samples.chosen if sample.prompt), None)
    return {
        "model_class": base.family.model_class().__name__,
        "base": report.manifest.get("model", {}).get("name") or "path/of/the/base/model",
        "revision": report.provenance.resolved.model_revision if report.manifest.get("model", {}).get("name") else None,
        "runs_code": base.runs_code,
        "keep_precision": list(base.family.keep_precision),
        "dtype": "torch.bfloat16" if report.cost.gpus else "torch.float32",
        "pictures": max(len(sample.pictures) + sample.more_pictures, 1) if sample else 1,
        "prompt": _python_text(sample.prompt if sample else PROMPT),
        "new_tokens": report.manifest.get("evaluation", {}).get("maxNewTokens", NEW_TOKENS),
        "quantized": kind == "adapter" and report.manifest.get("model", {}).get("quantization") in ("nf4", "int8"),
    }


def _python_text(text: str) -> str:
    """`text` as Python writes it, on one line; what turns or hides characters is written by its number."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in quoted)
