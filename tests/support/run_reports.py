"""A made-up run, as its report holds it: realistic figures, and answers in several scripts."""

import io
import math
import random
from datetime import UTC, datetime
from typing import Any

from PIL import Image, ImageDraw
from visionft_api.status import Artifact, DataWarning, Resolved, Stage
from visionft_trainer.data.report.model import (
    AnswerShare,
    Balance,
    DataReport,
    DroppedRow,
    LeakageReport,
    Lengths,
    Looks,
    Pair,
    Pairs,
    RowName,
    SplitReport,
    Spread,
)
from visionft_trainer.evaluation.judgement import Alternative, Figure, Judgement, Measured, VisionUse, Warn
from visionft_trainer.page.model import (
    Attempt,
    Cost,
    Edges,
    GateLine,
    MetricInfo,
    Provenance,
    RunReport,
    Sample,
    SampleBoxes,
    SamplePicture,
    Samples,
)
from visionft_trainer.reporting.report import CurvePoint

METRICS = {
    "cer": MetricInfo(title="Character error rate", lower_is_better=True),
    "exactMatch": MetricInfo(title="Exact match", lower_is_better=False, highest=1.0),
}
SHA = "sha256:" + "8d1e5f0a" * 8


def figure(value: float, half: float = 0.03) -> Figure:
    low = value - half
    return Figure(value=value, low=max(low, 0.0) if value >= 0 else low, high=value + half)


def figures(cer: float, exact: float, half: float = 0.03) -> dict[str, Figure]:
    return {"cer": figure(cer, half), "exactMatch": figure(exact, half)}


def measured(cer: float, exact: float, seconds: float = 12.5) -> Measured:
    return Measured(figures=figures(cer, exact), samples=200, seconds=seconds, tokens=1400)


def judgement() -> Judgement:
    return Judgement(
        metrics=["cer", "exactMatch"],
        samples=200,
        baseline=measured(0.6425, 0.0350),
        tuned=measured(0.0287, 0.8500, 11.25),
        delta=figures(-0.6138, 0.8150),
        alternatives=[
            Alternative(
                name="prompt 1",
                prompt="{prompt} Digits only, nothing else.",
                measured=measured(0.5812, 0.0600),
                delta_to_tuned=figures(-0.5525, 0.7900),
            ),
            Alternative(name="3 examples", measured=measured(0.5120, 0.0900), delta_to_tuned=figures(-0.4833, 0.7600)),
        ],
        vision_baseline=VisionUse(
            samples=64,
            intact=figures(0.63, 0.04),
            shuffled=figures(0.82, 0.0, 0.0),
            blank=figures(0.97, 0.0, 0.0),
            reliance=figures(0.19, 0.04),
            effective_rank=23.41,
        ),
        vision_tuned=VisionUse(
            samples=64,
            intact=figures(0.031, 0.84),
            shuffled=figures(0.88, 0.0, 0.0),
            blank=figures(0.91, 0.0, 0.0),
            reliance=figures(0.849, 0.84),
            effective_rank=21.07,
        ),
        general_baseline=measured(0.021, 0.93),
        general_tuned=measured(0.034, 0.90),
        general_delta=figures(0.013, -0.03),
        conclusion="Better",
        verdict="Passed",
        summary="The tuned model is better: its character error rate is 0.0287, the base model's 0.6425 (difference "
        "between -0.6438 and -0.5838).",
        warnings=[
            Warn(
                reason="GeneralSetWorse",
                message="On the general set the character error rate rose from 0.021 to 0.034, by more than chance.",
            )
        ],
    )


def spread(least: float, most: float) -> Spread:
    middle = (least + most) / 2
    return Spread(least=least, p5=least, median=middle, mean=middle, p95=most, most=most)


def split(rows: int, source: str, **changes: Any) -> SplitReport:
    values: dict[str, Any] = {
        "source": source,
        "digest": SHA,
        "rows": rows,
        "images": rows,
        "distinct_images": rows - 3,
        "duplicates": Pairs(),
        "near_duplicates": Pairs(),
        "conflicts": Pairs(),
        "answers": Balance(distinct=rows - 40, entropy=11.9, top=[AnswerShare(answer="5831", rows=4, share=4 / rows)]),
        "lengths": Lengths(tokens=spread(32, 49), answer_tokens=spread(4, 8)),
        "looks": Looks(
            width=spread(96, 160),
            height=spread(32, 32),
            aspect=spread(3, 5),
            brightness=spread(0.58, 0.84),
            contrast=spread(0.1, 0.3),
            blank=0,
        ),
    }
    return SplitReport(**(values | changes))


def data() -> DataReport:
    pair = Pair(row=RowName(file="train.jsonl", row=218), other=RowName(file="train.jsonl", row=17))
    return DataReport(
        digest=SHA,
        train=split(
            4800,
            "train.jsonl",
            dropped={"broken image": 3, "too many tokens": 12},
            dropped_rows=[
                DroppedRow(
                    file="train.jsonl", row=12, reason="image 'a/12.png' is truncated or broken; write it again"
                ),
                DroppedRow(file="train.jsonl", row=98, reason="too many tokens: 2,113, the limit is 2,048"),
            ],
            duplicates=Pairs(rows=1, named=[pair]),
        ),
        validation=split(200, "validation.jsonl"),
        leakage=LeakageReport(
            exact=Pairs(), near=Pairs(rows=1, named=[Pair(row=RowName(file="validation.jsonl", row=5), other=pair.row)])
        ),
        warnings=[
            DataWarning(reason="RowsDropped", message="15 training rows were left out; data-report.json names them.")
        ],
    )


def curve(steps: int = 600) -> list[CurvePoint]:
    noise = random.Random(0)
    points = []
    for step in range(1, steps + 1):
        loss = 2.2 * math.exp(-step / 90) + 0.08 + noise.gauss(0, 0.05) * math.exp(-step / 300)
        measured_now = step % 75 == 0
        points.append(
            CurvePoint(
                step=step,
                loss=max(loss, 0.01),
                validation_loss=2.1 * math.exp(-step / 95) + 0.11 + step * 2e-5 if measured_now else None,
                learning_rate=5e-3 * min(step / 60, 1.0) * (1 - step / (steps + 1)),
            )
        )
    return points


def picture(text: str, size: tuple[int, int] = (128, 32)) -> bytes:
    image = Image.new("RGB", size, "#efe9dc")
    ImageDraw.Draw(image).text((6, size[1] // 2 - 6), text.encode("ascii", "replace").decode(), fill="#223")
    file = io.BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


ANSWERS = [
    ("0815", "8888", "0815"),
    (
        '{"shop": "Bäckerei Vogt", "price": "3.20"}',
        '{"shop": "Backer", "pri',
        '{"shop": "Bäckerei Vogt", "price": "3.70"}',
    ),
    ("المجموع ٢٥ ريال", "المجموع", "المجموع ٢٥ ريال"),
    ("東京都渋谷区神南一丁目", "東京都", "東京都渋谷区神南二丁目"),
    ("a cat and a dog on a red mat", "a cat", "a cat and a dog on the red mat"),
    ("4711", "4711", "4117"),
]


def samples(count: int = 24) -> tuple[Samples, dict[str, bytes]]:
    pictures: dict[str, bytes] = {}
    chosen = []
    for place in range(count):
        reference, baseline, tuned = ANSWERS[place % len(ANSWERS)]
        group = "improved" if place < count / 3 else "typical" if place < count * 2 / 3 else "worsened"
        change = 1.0 - place * 1.6 / count
        kept = []
        for number in range(2 if place % 5 == 4 else 1):
            name = f"{place:03d}-{number}.jpg"
            size = (480, 360) if place % 4 == 3 else (128, 32)
            pictures[name] = picture(reference, size)
            kept.append(
                SamplePicture(file=name, width=size[0], height=size[1], original_width=size[0], original_height=size[1])
            )
        boxes = None
        if place % 4 == 3:
            boxes = SampleBoxes(
                reference=[Edges(label="cat", left=0.1, top=0.2, right=0.5, bottom=0.8)],
                baseline=None if place % 8 == 3 else [Edges(label="cat", left=0.6, top=0.1, right=0.9, bottom=0.4)],
                tuned=[Edges(label="cat", left=0.12, top=0.22, right=0.52, bottom=0.78)],
            )
        chosen.append(
            Sample(
                file="validation.jsonl",
                row=place * 7 + 1,
                group=group,  # type: ignore[arg-type]
                prompt="Read the digits.",
                reference=reference,
                baseline=baseline,
                tuned=tuned,
                baseline_scores={"cer": 0.75, "exactMatch": 0.0},
                tuned_scores={"cer": 0.05, "exactMatch": float(tuned == reference)},
                change=round(change, 4),
                pictures=kept,
                boxes=boxes,
            )
        )
    return Samples(metric="cer", of=200, improved=176, worsened=9, chosen=chosen), pictures


def report(**changes: Any) -> tuple[RunReport, dict[str, bytes]]:
    """The report of a run that went well, `changes` made to it, and its pictures."""
    shown, pictures = samples()
    values: dict[str, Any] = {
        "name": "digits",
        "namespace": "visionft-demo",
        "run": 1,
        "complete": True,
        "start_time": datetime(2026, 11, 21, 14, 0, tzinfo=UTC),
        "completion_time": datetime(2026, 11, 21, 14, 3, tzinfo=UTC),
        "metrics": METRICS,
        "gates": [
            GateLine(gate="cer <= 0.05", holds=True),
            GateLine(gate="exactMatch >= 0.9", holds=False, detail="exactMatch is 0.85, the gate is exactMatch >= 0.9"),
        ],
        "judgement": judgement(),
        "steps": 600,
        "shipped_step": 525,
        "notes": ["The validation loss was lowest at step 525 and rose after it: the training begins to overfit."],
        "curve": curve(),
        "data": data(),
        "samples": shown,
        "cost": Cost(
            device="NVIDIA H200",
            gpus=2,
            gpu_memory=61_203_283_968,
            attempts=[
                Attempt(
                    start_time=datetime(2026, 11, 21, 14, 0, tzinfo=UTC),
                    seconds={
                        Stage.INGEST: 4.25,
                        Stage.PREPROCESS: 9.5,
                        Stage.LOAD: 31.0,
                        Stage.BASELINE: 62.0,
                        Stage.ADAPT: 1.25,
                        Stage.TRAIN: 2410.0,
                        Stage.EVALUATE: 71.0,
                        Stage.EXPORT: 18.0,
                        Stage.REPORT: 0.75,
                    },
                    last_step=600,
                    last_epoch=2.0,
                )
            ],
        ),
        "provenance": Provenance(
            model="pvc://digits/model",
            resolved=Resolved(model_revision="0a1b2c3d4e5f", dataset_digest=SHA, spec_hash="3f9a77c1d2e4b5a6"),
            packages={"peft": "0.21.2", "torch": "2.15.0", "transformers": "5.23.0"},
            artifacts=[
                Artifact(kind="adapter", uri="pvc://digits/tuned/run-1/adapter", digest=SHA, size=963_176),
                Artifact(kind="merged", uri="pvc://digits/tuned/run-1/merged", digest=SHA, size=5_316_039),
            ],
        ),
        "manifest": {"model": {"uri": "pvc://digits/model"}, "training": {"learningRate": "5e-3"}},
    }
    return RunReport(**(values | changes)), pictures


def hostile_report(text: str) -> tuple[RunReport, dict[str, bytes]]:
    """`text` in every place that somebody else can write to."""
    shown, kept = samples(3)
    chosen = [
        sample.model_copy(
            update={
                "file": text,
                "prompt": f"{text}{place}",
                "reference": text,
                "references": [text, "other"],
                "baseline": f"{text} or so",
                "tuned": f"no {text}",
                "tuned_scores": {text: 0.5},
            }
        )
        for place, sample in enumerate(shown.chosen)
    ]
    known = data()
    judged = judgement()
    other = judged.alternatives[0].model_copy(update={"name": text, "prompt": text})
    dropped = known.train.dropped_rows[0].model_copy(update={"file": text, "reason": text})
    top = known.train.answers.top[0].model_copy(update={"answer": text, "rows": 5})
    train = known.train.model_copy(
        update={
            "source": text,
            "dropped": {text: 2},
            "dropped_rows": [dropped],
            "answers": known.train.answers.model_copy(update={"top": [top]}),
        }
    )
    return report(
        name=text,
        namespace=text,
        gates=[GateLine(gate=text, holds=False, detail=text)],
        judgement=judged.model_copy(
            update={"summary": text, "alternatives": [other], "warnings": [Warn(reason=text, message=text)]}
        ),
        notes=[text],
        data=known.model_copy(update={"train": train}),
        samples=shown.model_copy(update={"chosen": chosen}),
        cost=Cost(device=text),
        provenance=Provenance(
            model=text,
            resolved=Resolved(model_revision=text[:200], dataset_digest="d"),
            packages={text: text},
            artifacts=[Artifact(kind="adapter", uri=text)],
        ),
        manifest={"model": {"name": text}},
    )[0], kept
