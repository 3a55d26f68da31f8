"""Which answers count as right where the data has several."""

from pathlib import Path

from visionft_api.spec import DatasetSpec
from visionft_trainer.data.rows import Where
from visionft_trainer.data.shapes import SHAPES, Context

SOURCE = {"pvc": {"claimName": "data", "path": "rows.jsonl"}}


def references(form: str, **row: object) -> tuple[str, ...]:
    dataset = DatasetSpec.model_validate({"train": SOURCE, "format": form})
    read = SHAPES[dataset.format](
        {"image": "a.png", "question": "What?", **row}, Context(Where("a", 1), Path(), dataset)
    )
    assert read.answer == read.references[0]
    return read.references


def test_every_persons_answer_counts_and_the_most_frequent_is_learnt() -> None:
    assert references("vqa", answers=["cat", "kitten", "kitten", "pet"]) == ("kitten", "cat", "pet")
    assert references("vqa", answers=[{"answer": "two"}, {"answer": "2"}]) == ("two", "2")
    assert references("vqa", answer="cat") == ("cat",)


def test_every_caption_counts() -> None:
    assert references("captions", captions=["A cat.", "A cat sleeps.", "A cat."]) == ("A cat.", "A cat sleeps.")
