"""Rows asked in other words, and after examples."""

from pathlib import Path

from visionft_trainer.data.rows import Box, Boxes, Message, Part, Picture, Row, Text, Where
from visionft_trainer.evaluation.alternatives import draw_shots, question_of, reworded, shots_that_fit, with_examples

PICTURE = Picture(Path("a.png"))


def row(*parts: Part, answer: Part | None = None, system: str | None = None) -> Row:
    first = (Message("system", (Text(system),)),) if system else ()
    turns = (Message("user", parts), Message("assistant", (answer or Text("42"),)))
    return Row(Where("rows.jsonl", 1), (*first, *turns))


def test_a_wording_takes_the_place_of_the_question() -> None:
    asked = reworded(row(PICTURE, Text("Read it."), system="Be brief."), "What is the number?")
    assert asked.messages[1].parts == (PICTURE, Text("What is the number?"))
    assert asked.messages[0].text == "Be brief."
    assert asked.answer == "42"


def test_a_wording_may_hold_the_question() -> None:
    asked = reworded(row(PICTURE, Text("Read it.")), "You read well. {prompt} Digits only, {no} words.")
    assert question_of(asked) == "You read well. Read it. Digits only, {no} words."


def test_pictures_stay_before_and_behind_the_words() -> None:
    other = Picture(Path("b.png"))
    asked = reworded(row(PICTURE, Text("This"), other, Text("or this?")), "Which?")
    assert asked.messages[0].parts == (PICTURE, Text("Which?"), other)


def test_only_the_last_question_is_reworded() -> None:
    one = row(PICTURE, Text("Read it."))
    several = Row(one.where, (*one.messages, *row(Text("And now?")).messages))
    assert [message.text for message in reworded(several, "Sum?").messages] == ["Read it.", "42", "Sum?", "42"]


def test_examples_come_before_the_question_as_turns() -> None:
    shots = [row(Picture(Path(f"{name}.png")), Text("Read it."), answer=Text(name), system="Old.") for name in "xy"]
    shown = with_examples(row(PICTURE, Text("Read it."), system="Be brief."), shots)
    assert [message.text for message in shown.messages] == [
        "Be brief.", "Read it.", "x", "Read it.", "y", "Read it.", "42"
    ]  # fmt: skip
    assert [picture.source for picture in shown.pictures] == [Path("x.png"), Path("y.png"), Path("a.png")]


def test_boxes_count_the_pictures_before_them() -> None:
    boxes = Boxes((Box("cat", 0, 0, 1, 1),))
    shown = with_examples(row(PICTURE, Text("Where?"), answer=boxes), [row(PICTURE, Text("Where?"), answer=boxes)])
    found = [part.picture for message in shown.messages for part in message.parts if isinstance(part, Boxes)]
    assert found == [0, 1]


def test_the_same_seed_draws_the_same_examples() -> None:
    assert draw_shots(100, 3, 1) == draw_shots(100, 3, 1)
    assert len(set(draw_shots(100, 8, 0))) == 8
    assert sorted(draw_shots(2, 3, 0)) == [0, 1]


def test_as_many_examples_as_fit() -> None:
    shots = [(100, 1), (200, 1), (50, 1)]
    assert shots_that_fit(100, 1, shots, 450, 8) == 3
    assert shots_that_fit(100, 1, shots, 449, 8) == 2
    assert shots_that_fit(100, 1, shots, 450, 2) == 1
    assert shots_that_fit(400, 1, shots, 450, 8) == 0
