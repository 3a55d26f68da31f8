"""The rows that the page shows, kept in the run's folder with small copies of their pictures.

So the page is made again without the data and without the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL.Image import Image
from pydantic import ValidationError

from visionft_trainer.data.rows import Box
from visionft_trainer.errors import writing_to
from visionft_trainer.page import pictures
from visionft_trainer.page.answers import read_answers
from visionft_trainer.page.choose import Choice, Chosen, choose
from visionft_trainer.page.model import Edges, Sample, SampleBoxes, SamplePicture, Samples
from visionft_trainer.storage import atomic
from visionft_trainer.storage.plain_files import read_bytes

if TYPE_CHECKING:
    from visionft_trainer.families import Family
    from visionft_trainer.prepare.preprocess import Prepared

INDEX_FILE = "samples.json"
NOT_KEPT = (
    f"The samples have no pictures and boxes here, because samples/{INDEX_FILE} is missing or cannot be read. "
    "Copy the run's folder again, with samples."
)
MOST_PICTURES = 8  # of one row
MOST_BOXES = 200  # of one answer


def keep(
    folder: Path,
    answers_file: Path,
    metric: str | None,
    *,
    lower_is_better: bool,
    count: int,
    rows: Prepared,
    processor: Any,
    family: Family,
) -> None:
    """Choose `count` of the measured rows by `metric` and write them to `folder`, which is replaced.

    Raises:
        StorageFailedError: the folder cannot be written.
    """
    choice = choose(read_answers(answers_file), metric, lower_is_better=lower_is_better, count=count)
    examples = [rows.examples[chosen.answer.index] for chosen in choice.rows]
    shown = sum(min(sum(1 for _ in example.row.pictures), MOST_PICTURES) for example in examples)
    budget = pictures.budget_for(shown)
    with writing_to(folder), atomic.new_folder(folder) as draft:
        kept = []
        for place, (chosen, example) in enumerate(zip(choice.rows, examples, strict=True)):
            opened = rows.pictures.open(example.row)
            kept.append(
                _sample(chosen).model_copy(
                    update={
                        "pictures": _write(draft, f"{place:03d}", opened[:MOST_PICTURES], budget),
                        "more_pictures": max(len(opened) - MOST_PICTURES, 0),
                        "boxes": _boxes(chosen, example, rows, processor, family),
                    }
                )
            )
        text = _samples(choice, metric, kept).model_dump_json(by_alias=True, exclude_none=True, indent=2)
        (draft / INDEX_FILE).write_text(text + "\n", encoding="utf-8")


def read_samples(folder: Path, answers_file: Path, metric: str | None, *, lower_is_better: bool, count: int) -> Samples:
    """What `keep` has written; where there is nothing, the answers without their pictures."""
    try:
        return Samples.model_validate_json(read_bytes(folder / INDEX_FILE))
    except (OSError, ValidationError):
        choice = choose(read_answers(answers_file), metric, lower_is_better=lower_is_better, count=count)
        bare = _samples(choice, metric, [_sample(chosen) for chosen in choice.rows])
        return bare.model_copy(update={"kept": not bare.chosen})


def read_pictures(folder: Path, samples: Samples) -> dict[str, bytes]:
    """The small copies that are there, by their file's name."""
    names = {picture.file for sample in samples.chosen for picture in sample.pictures}
    files = {name: folder / Path(name).name for name in names}
    return {name: read_bytes(file) for name, file in files.items() if file.is_file()}


def _samples(choice: Choice, metric: str | None, chosen: list[Sample]) -> Samples:
    return Samples(metric=metric, of=choice.of, improved=choice.improved, worsened=choice.worsened, chosen=chosen)


def _sample(chosen: Chosen) -> Sample:
    answer = chosen.answer
    return Sample(
        file=answer.file,
        row=answer.row,
        group=chosen.group,
        prompt=answer.prompt,
        reference=answer.reference,
        references=answer.references if len(answer.references) > 1 else [],
        baseline=answer.baseline,
        tuned=answer.tuned or "",
        baseline_scores=answer.scores.get("baseline", {}),
        tuned_scores=answer.scores.get("tuned", {}),
        change=chosen.change,
    )


def _sound(text: str) -> str:
    """`text` without halves of characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _write(folder: Path, name: str, images: Sequence[Image], budget: int) -> list[SamplePicture]:
    written = []
    for number, image in enumerate(images):
        data, copy = pictures.shrink(image, budget)
        file = f"{name}-{number}.jpg"
        (folder / file).write_bytes(data)
        written.append(
            SamplePicture(
                file=file,
                width=copy.width,
                height=copy.height,
                original_width=image.width,
                original_height=image.height,
            )
        )
    return written


def _boxes(chosen: Chosen, example: Any, rows: Prepared, processor: Any, family: Family) -> SampleBoxes | None:
    from visionft_trainer.evaluation.generate import boxes_of
    from visionft_trainer.prepare.boxes import read_boxes

    right = boxes_of(example.row)
    if right is None:
        return None
    images = rows.images(example)

    def found(text: str | None) -> list[Edges] | None:
        read = None if text is None else read_boxes(text, images, processor, family, right.picture)
        return None if read is None else _edges(read)

    return SampleBoxes(
        picture=right.picture,
        reference=_edges(right.boxes),
        baseline=found(chosen.answer.baseline),
        tuned=found(chosen.answer.tuned),
    )


def _edges(boxes: Sequence[Box]) -> list[Edges]:
    return [
        Edges(label=_sound(box.label), left=box.left, top=box.top, right=box.right, bottom=box.bottom)
        for box in boxes[:MOST_BOXES]
    ]
