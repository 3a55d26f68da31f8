"""The persistent volume claims that a run uses."""

from __future__ import annotations

from visionft_api.spec import DataSource, VisionFineTuneSpec


def claims_of(spec: VisionFineTuneSpec) -> tuple[str, ...]:
    """Names of all claims, each once, in the order in which the spec has them."""
    names = [
        spec.model.pvc.claim_name if spec.model.pvc else None,
        _claim(spec.dataset.train),
        _claim(spec.dataset.validation),
        _claim(spec.evaluation.general),
        output_claim_of(spec),
    ]
    return tuple(dict.fromkeys(name for name in names if name is not None))


def output_claim_of(spec: VisionFineTuneSpec) -> str | None:
    """Name of the claim that results are written to."""
    return spec.output.pvc.claim_name if spec.output.pvc else None


def _claim(source: DataSource | None) -> str | None:
    return source.pvc.claim_name if source and source.pvc else None
