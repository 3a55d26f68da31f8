"""Which rows the page shows."""

import random

from visionft_trainer.page.answers import Answer, read_answers
from visionft_trainer.page.choose import choose


def answer(index: int, before: float | None, after: float) -> Answer:
    scores = {"tuned": {"cer": after}} | ({} if before is None else {"baseline": {"cer": before}})
    return Answer(index=index, file="v.jsonl", row=index + 1, reference="a", tuned="b", scores=scores)


def answers(changes: list[float]) -> list[Answer]:
    return [answer(index, 1.0 + change, 1.0) for index, change in enumerate(changes)]


def test_a_third_each_of_improved_typical_and_worsened() -> None:
    order = list(range(100))
    random.Random(0).shuffle(order)
    choice = choose(answers([place - 50 + 0.5 for place in order]), "cer", lower_is_better=True, count=12)
    groups = [row.group for row in choice.rows]
    assert groups == ["improved"] * 4 + ["typical"] * 4 + ["worsened"] * 4
    changes = [row.change for row in choice.rows]
    assert changes == sorted(changes, key=lambda change: -(change or 0))
    assert changes[:4] == [49.5, 48.5, 47.5, 46.5]
    assert changes[-4:] == [-46.5, -47.5, -48.5, -49.5]
    assert changes[4:8] == [34.5, 11.5, -11.5, -34.5]  # the middles of four equal parts of what is between
    assert (choice.improved, choice.worsened, choice.of) == (50, 50, 100)


def test_where_few_got_worse_their_places_go_to_typical_rows() -> None:
    choice = choose(answers([1.0] * 60 + [0.0] * 38 + [-1.0, -2.0]), "cer", lower_is_better=True, count=24)
    groups = [row.group for row in choice.rows]
    assert (groups.count("improved"), groups.count("typical"), groups.count("worsened")) == (8, 14, 2)
    assert [row.change for row in choice.rows if row.group == "worsened"] == [-1.0, -2.0]


def test_a_model_that_only_got_worse_shows_that() -> None:
    choice = choose(answers([-1.0] * 50), "cer", lower_is_better=True, count=9)
    assert [row.group for row in choice.rows] == ["typical"] * 6 + ["worsened"] * 3


def test_higher_is_better_for_other_metrics() -> None:
    choice = choose(answers([1.0, -1.0]), "cer", lower_is_better=False, count=2)
    assert [(row.answer.index, row.change) for row in choice.rows] == [(1, 1.0), (0, -1.0)]


def test_equal_rows_are_not_taken_from_the_beginning_of_the_file() -> None:
    choice = choose(answers([1.0] * 300), "cer", lower_is_better=True, count=24)
    rows = [row.answer.index for row in choice.rows]
    assert len(set(rows)) == 24
    assert max(rows) > 200
    assert rows == [
        row.answer.index for row in choose(answers([1.0] * 300), "cer", lower_is_better=True, count=24).rows
    ]


def test_without_a_base_model_rows_go_from_best_to_worst() -> None:
    choice = choose([answer(index, None, index / 10) for index in range(10)], "cer", lower_is_better=True, count=5)
    assert [row.answer.index for row in choice.rows] == [1, 3, 5, 7, 9]
    assert {(row.group, row.change) for row in choice.rows} == {("typical", None)}


def test_fewer_rows_than_places_are_all_shown_once() -> None:
    for count in range(1, 8):
        choice = choose(answers([2.0, 1.0, 0.0, 0.0, -1.0][:count]), "cer", lower_is_better=True, count=24)
        assert sorted(row.answer.index for row in choice.rows) == list(range(min(count, 5)))


def test_no_place_and_no_row() -> None:
    assert choose(answers([1.0]), "cer", lower_is_better=True, count=0).rows == []
    assert choose([], None, lower_is_better=True, count=24).rows == []


def test_lines_that_cannot_be_read_are_passed_over(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "answers.jsonl"
    good = '{"index": 0, "file": "v", "row": 1, "reference": "a\u2028b", "tuned": "c", "later": 1}'
    file.write_text(f'{good}\n{{"index": 1, "fi', encoding="utf-8")
    (found,) = read_answers(file)
    assert found.reference == "a\u2028b"
    assert read_answers(tmp_path / "none") == []
