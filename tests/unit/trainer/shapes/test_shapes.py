"""Each data shape: what rows of that form become, and how wrong ones are refused."""

from typing import Any

import pytest
from support.shape_rows import FOLDER, parse, plain
from visionft_trainer.data.rows import BadRowError, Picture
from visionft_trainer.data.shapes import SHAPES
from visionft_trainer.errors import BadConfigError

HELD = Picture(b"held by the container", "the image")
ASK = {"role": "user", "content": "q"}
SAY = {"role": "assistant", "content": "a"}
IMAGE, TEXT = {"type": "image"}, {"type": "text", "text": "q"}


def chat(*parts: dict[str, Any], **columns: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}, SAY], **columns}


def llava(*values: str, **columns: Any) -> dict[str, Any]:
    speakers = ("human", "gpt") * len(values)
    return {
        "conversations": [{"from": speaker, "value": value} for speaker, value in zip(speakers, values, strict=False)],
        **columns,
    }


def answered(*user: Any, answer: Any = "a") -> list[tuple[str, list[Any]]]:
    return [("user", list(user)), ("assistant", [answer])]


GOOD = [
    # OpenAI's messages, and what TRL and the hub make of them
    ("messages", chat(IMAGE, TEXT, images=["1.png"]), answered("<1.png>", "q")),
    ("messages", chat(TEXT, IMAGE, TEXT, IMAGE, images=["1", "2"]), answered("q", "<1>", "q", "<2>")),
    ("messages", chat(IMAGE, TEXT, image=HELD), answered(HELD.source, "q")),
    ("messages", chat({"type": "image", "image": HELD}, TEXT), answered(HELD.source, "q")),
    ("messages", chat({"type": "image", "path": "1.png"}, TEXT), answered("<1.png>", "q")),
    (
        "messages",
        chat({"type": "image", "text": None}, {"type": "text", "text": "q"}, images=["1"]),
        answered("<1>", "q"),
    ),
    ("messages", {"messages": [ASK, SAY], "images": ["1", "2"]}, answered("<1>", "<2>", "q")),
    ("messages", {"messages": [ASK, SAY], "images": []}, answered("q")),
    ("messages", {"messages": [ASK, SAY], "image": None}, answered("q")),
    (
        "messages",
        {"messages": [{"role": "system", "content": "s"}, ASK, SAY, ASK, SAY], "images": ["1"]},
        [("system", ["s"]), ("user", ["<1>", "q"]), ("assistant", ["a"]), ("user", ["q"]), ("assistant", ["a"])],
    ),
    ("messages", chat({"type": "image_url", "image_url": "1.png"}, TEXT), answered("<1.png>", "q")),
    ("messages", {"messages": [{**ASK, "content": "<image>\nq"}, SAY], "images": ["1"]}, answered("<1>", "q")),
    (
        "messages",
        {"messages": [ASK, SAY, {**ASK, "content": "x <image> y<image>"}, SAY], "images": ["1", "2"]},
        [*answered("q"), *answered("x ", "<1>", " y", "<2>")],
    ),
    ("messages", {"messages": [{**ASK, "content": "<image>"}, SAY]}, answered("<image>")),
    # LLaVA's conversations
    ("conversations", llava("<image>\nq", "a", image="1.png"), answered("<1.png>", "q")),
    ("conversations", llava("q\n<image>", "a", image="1.png"), answered("q", "<1.png>")),
    ("conversations", llava("x <image> y<image>", "a", image=["1", "2"]), answered("x ", "<1>", " y", "<2>")),
    ("conversations", llava("<image>\n<image>\nq", "a", images=["1", "2"]), answered("<1>", "<2>", "q")),
    ("conversations", llava("<image>", "a", image=HELD), answered(HELD.source)),
    ("conversations", llava("q", "a"), answered("q")),
    (
        "conversations",
        llava("<image>q", "a", "r <image>", "b", image=["1", "2"]),
        [("user", ["<1>", "q"]), ("assistant", ["a"]), ("user", ["r ", "<2>"]), ("assistant", ["b"])],
    ),
    (
        "conversations",
        {"conversations": [{"from": "system", "value": "s"}, *llava("q", "a")["conversations"]]},
        [("system", ["s"]), *answered("q")],
    ),
    # TRL's prompt and completion
    ("prompts", {"prompt": "q", "completion": "a", "images": ["1", "2"]}, answered("<1>", "<2>", "q")),
    ("prompts", {"prompt": "q", "completion": "a", "image": HELD}, answered(HELD.source, "q")),
    ("prompts", {"prompt": "q", "completion": "a"}, answered("q")),
    ("prompts", {"prompt": [ASK], "completion": [SAY], "images": ["1"]}, answered("<1>", "q")),
    (
        "prompts",
        {"prompt": [{"role": "user", "content": [TEXT, IMAGE]}], "completion": [SAY], "image": "1"},
        answered("q", "<1>"),
    ),
    ("prompts", chat(IMAGE, TEXT, images=["1"]), answered("<1>", "q")),
    ("prompts", {"prompt": "q <image>", "completion": "a", "image": "1"}, answered("q ", "<1>")),
    # captions
    ("captions", {"image": "1", "text": "a"}, answered("<1>", "Describe the picture.")),
    ("captions", {"image": "1", "captions": ["a", "b"]}, answered("<1>", "Describe the picture.", answer=["a", "b"])),
    ("captions", {"jpg": HELD, "txt": "a"}, answered(HELD.source, "Describe the picture.")),
    ("captions", {"image": "1", "prompt": "Was?", "caption": "a"}, answered("<1>", "Was?")),
    # questions and answers
    ("vqa", {"image": "1", "question": "q", "answer": "a"}, answered("<1>", "q")),
    ("vqa", {"images": ["1", "2"], "question": "q", "answer": "a"}, answered("<1>", "<2>", "q")),
    ("vqa", {"image": "1", "question": "q", "answers": ["b", "a", "a"]}, answered("<1>", "q")),
    ("vqa", {"image": "1", "question": "q", "answers": ["a", "b", "b", "a"]}, answered("<1>", "q")),
    ("vqa", {"image": "1", "question": "q", "answers": [{"answer": "a"}, {"answer": "b"}]}, answered("<1>", "q")),
    ("vqa", {"image": None, "question": "q", "answer": "a"}, answered("q")),
    ("vqa", {"images": [], "question": "q", "answer": "a"}, answered("q")),
    ("vqa", {"question": "q", "answer": "a"}, answered("q")),
    ("vqa", {"image": "1", "question": "q", "answer": 12}, answered("<1>", "q", answer="12")),
    ("vqa", {"image": "1", "question": "q", "answer": None, "answers": ["a"]}, answered("<1>", "q")),
    ("vqa", {"image": "1", "question": "<image>\nq", "answer": "a"}, answered("<1>", "q")),
    ("vqa", {"question": "is <image> a tag?", "answer": "a"}, answered("is <image> a tag?")),
    # fields
    (
        "keyValues",
        {"image": "1", "ground_truth": '{"gt_parse": {"b": 1, "a": {"d": "ä", "c": [null, true]}}}'},
        answered("<1>", "Read the fields of the picture as JSON.", answer='{"a":{"c":[null,true],"d":"ä"},"b":1}'),
    ),
    (
        "keyValues",
        {"image": "1", "ground_truth": {"gt_parses": [{"a": 1}, {"a": 2}]}},
        answered("<1>", "Read the fields of the picture as JSON.", answer=['{"a":1}', '{"a":2}']),
    ),
    (
        "keyValues",
        {"png": HELD, "json": {"total": "1.00"}, "question": "q"},
        answered(HELD.source, "q", answer='{"total":"1.00"}'),
    ),
]


@pytest.mark.parametrize(("form", "value", "expected"), GOOD)
def test_row_of_the_form(form: str, value: Any, expected: list[Any]) -> None:
    assert plain(parse(form, value)) == expected


BAD = [
    ("messages", chat(IMAGE, TEXT), "images: 0 pictures for 1 parts of type image; give each part its picture"),
    ("messages", chat(IMAGE, TEXT, images=["1", "2"]), "images: 2 pictures for 1 parts"),
    (
        "messages",
        chat({"type": "image_url", "image_url": "1"}, TEXT, images=["2"]),
        "images: 1 pictures beside those that the messages' parts name themselves; name each picture once",
    ),
    (
        "messages",
        {"messages": [{**ASK, "content": "<image> q"}, SAY], "images": ["1", "2"]},
        "images: 1 <image> tokens for 2 pictures; write one where each picture of the row goes",
    ),
    (
        "messages",
        {"messages": [ASK, {**SAY, "weight": 0}, ASK, {**SAY, "weight": 1}]},
        "messages[1].weight: is 0, and every answer is learnt; take this turn and its question out",
    ),
    ("messages", {"examples": []}, "messages: is missing; the row has examples: write the conversation as a list"),
    (
        "messages",
        {"messages": [{"from": "human", "value": "q"}]},
        "messages[0].role: is missing; the message has from, value: write {role, content}",
    ),
    ("messages", {"messages": [{"speaker": "x"}]}, "messages[0].role: is missing; the message has speaker: write"),
    (
        "messages",
        chat({"type": "image_url", "image_url": {"url": "iVBORw0KGgo" + "A" * 5000}}, TEXT),
        "characters that are no path; write a picture in base64 as data:image/png;base64,...",
    ),
    ("captions", {"image": "/9j/" + "A" * 90, "caption": "a"}, "94 characters that are no path"),
    ("captions", {"image": "Q" * 9000, "caption": "a"}, "9,000 characters that are no path"),
    ("conversations", {"conversations": [ASK]}, "conversations[0].from: is missing; the turn has role, content: write"),
    ("messages", chat(IMAGE, images=[7]), "images[0]: is a number (7); write a file's path relative"),
    ("messages", chat(IMAGE, images="/etc/passwd"), "images: is '/etc/passwd', an absolute path"),
    ("messages", chat({"type": "image", "path": "../x"}), "content[0].path: is '../x', which leaves the data"),
    (
        "messages",
        llava("q", "a"),
        "messages: is missing; the row looks like the form conversations: set spec.dataset.format",
    ),
    ("messages", {"question": "q", "answer": "a"}, "the row looks like the form vqa: set spec.dataset.format: vqa"),
    ("messages", {"prompt": "q", "completion": "a"}, "the form prompts: set spec.dataset.format: prompts"),
    ("messages", {"image": "1", "caption": "a"}, "the form captions: set spec.dataset.format: captions"),
    ("messages", {"image": "1", "ground_truth": "{}"}, "the form keyValues: set spec.dataset.format: keyValues"),
    ("messages", {"image": "1", "boxes": []}, "the form grounding: set spec.dataset.format: grounding"),
    ("conversations", {"messages": [ASK, SAY]}, "the form messages: set spec.dataset.format: messages"),
    ("conversations", {"x": 1}, "conversations: is missing; write the conversation as a list of {from, value} objects"),
    ("conversations", [1], "the row is a list; write an object with the columns of conversations"),
    ("conversations", {"conversations": "x"}, "conversations: is the string 'x'; write a list with at least"),
    ("conversations", {"conversations": ["x"]}, "conversations[0]: is the string 'x'; write an object {from, value}"),
    ("conversations", llava("<image>q", "a"), "conversations: 1 <image> tokens for 0 pictures; write one where"),
    ("conversations", llava("q", "a", image="1"), "conversations: 0 <image> tokens for 1 pictures"),
    ("conversations", llava("q", "a <image>", image="1"), "conversations[1].value: holds <image> in a turn of gpt"),
    ("conversations", llava("q"), "conversations: the last message is the user's; add the assistant's answer"),
    ("conversations", llava("q", " "), "conversations[1].value: the answer is empty"),
    (
        "conversations",
        {"conversations": [{"from": "bot", "value": "x"}]},
        "conversations[0].from: is 'bot'; use one of",
    ),
    ("conversations", {"conversations": [{"from": [], "value": "x"}]}, "conversations[0].from: is []; use one of"),
    ("conversations", {"conversations": [{"from": "human", "value": 1}]}, "conversations[0].value: is a number (1)"),
    (
        "conversations",
        {"conversations": [*llava("q")["conversations"]] * 2},
        "conversations[1].from: two user messages",
    ),
    ("conversations", llava("q\ud83d", "a"), "conversations[0].value: holds \\ud83d at character 2"),
    ("prompts", {"prompt": "q", "completion": " "}, "completion: the answer is empty; write the text"),
    ("prompts", {"prompt": [ASK], "completion": "a"}, "completion: is a text while prompt is a list of messages"),
    ("prompts", {"prompt": "q", "completion": [SAY]}, "prompt: is the string 'q'; write a list with at least"),
    ("prompts", {"completion": "a"}, "question: is missing; the row has completion: name the one with the question"),
    ("prompts", {"question": "q", "answer": "a"}, "completion: is missing; the row looks like the form vqa"),
    ("prompts", chat(IMAGE), "images: 0 pictures for 1 parts of type image"),
    (
        "captions",
        {"text": "a"},
        "image: is missing; the row has text: name the one with the picture in spec.dataset.col",
    ),
    (
        "captions",
        {"image": None, "text": "a"},
        "image: is null, and a row of format captions needs the picture; write it, or leave the row out",
    ),
    ("captions", {"image": [], "text": "a"}, "image: is an empty list; name at least one picture"),
    ("captions", {"image": "1", "text": ""}, "text: the answer is empty; write the text that the model is to learn"),
    ("captions", {"image": "1", "captions": ["a", " "]}, "captions[1]: the answer is empty"),
    ("captions", {"image": "1", "captions": []}, "captions: is an empty list; write the text"),
    ("captions", {"image": 3, "text": "a"}, "image: is a number (3); write a file's path"),
    ("captions", {"image": "https://x/1.png", "text": "a"}, "image: is 'https://x/1.png'; images are not fetched"),
    (
        "vqa",
        {"image": "1", "question": "q", "answer": None},
        "answer: is null, and a row of format vqa needs the answer; write it, or leave the row out",
    ),
    ("vqa", {"image": "1", "answer": "a"}, "question: is missing; the row has image, answer: name the one with the qu"),
    ("vqa", {"image": "1", "question": "q"}, "answer: is missing; the row has image, question: name the one with the"),
    ("vqa", {"image": ["1", "2"], "question": ["q", "r"], "answer": ["a", "b"]}, "question: is a list; write one"),
    ("vqa", {"image": "1", "question": "<image><image> q", "answer": "a"}, "question: 2 <image> tokens for 1 pictures"),
    ("vqa", {"image": "1", "question": "q", "answers": []}, "answers: is an empty list; write the text"),
    ("vqa", {"image": "1", "question": "q", "answers": [{"answer": " "}]}, "answers[0].answer: the answer is empty"),
    ("vqa", {"image": "1", "question": HELD, "answer": "a"}, "question: is a picture; write a text"),
    ("vqa", {"image": "1", "question": "q", "answer": float("nan")}, "answer: nan holds NaN or Infinity; use a number"),
    ("vqa", {"image": "1", "caption": "a"}, "answer: is missing; the row looks like the form captions"),
    ("keyValues", {"image": "1", "ground_truth": "{"}, "ground_truth: '{' is not JSON (Expecting property name"),
    ("keyValues", {"image": "1", "ground_truth": "[" * 9999}, "is JSON that cannot be read; write a plain object"),
    ("keyValues", {"image": "1", "fields": {}}, "fields: is an object; write an object of fields"),
    ("keyValues", {"image": "1", "fields": 7}, "fields: is a number (7); write an object of fields"),
    ("keyValues", {"image": "1", "fields": {"a": float("inf")}}, "fields: {'a': inf} holds NaN or Infinity"),
    ("keyValues", {"image": "1", "fields": {"a": HELD}}, "holds what JSON cannot say; use texts, numbers"),
    ("keyValues", {"image": "1", "fields": {"a": "\ud83d"}}, "fields: holds \\ud83d at character"),
    ("keyValues", {"image": "1", "ground_truth": {"gt_parse": None}}, "ground_truth.gt_parse: is missing; write an"),
    ("keyValues", {"fields": {"a": 1}}, "image: is missing; the row has fields: name the one with the picture"),
]


@pytest.mark.parametrize(("form", "value", "complaint"), BAD)
def test_wrong_row_is_refused(form: str, value: Any, complaint: str) -> None:
    with pytest.raises(BadRowError) as error:
        parse(form, value)
    assert complaint.partition(": ")[0] in str(error.value)
    assert complaint in str(error.value)


@pytest.mark.parametrize("form", SHAPES)
@pytest.mark.parametrize("value", [None, [], "text", 7, True, {}, {"messages": 1, "conversations": 2, "boxes": 3}])
def test_anything_else_is_refused_by_each_shape(form: str, value: Any) -> None:
    with pytest.raises(BadRowError, match=r"; \w"):
        parse(form, value, promptTemplate="q")


COLUMNS = {"image": "meta.scan", "prompt": "Q", "answer": "out.text"}
NAMED = {"meta": {"scan": "1"}, "Q": "q", "out": {"text": "a"}, "image": "no", "answer": "no"}


@pytest.mark.parametrize("form", ["prompts", "captions", "vqa", "columns"])
def test_named_columns_and_dots(form: str) -> None:
    assert plain(parse(form, NAMED, columns=COLUMNS)) == answered("<1>", "q")


def test_named_column_that_is_not_there() -> None:
    with pytest.raises(
        BadRowError, match=r"^meta\.scan: is no column of the row, which has meta, Q; mend spec\.dataset"
    ):
        parse("vqa", {"meta": {}, "Q": "q"}, columns={"image": "meta.scan", "prompt": "Q", "answer": "Q"})


def test_named_column_without_a_value() -> None:
    with pytest.raises(
        BadRowError, match=r"^out: is null, and a row of format vqa needs the answer; write it, or leave the row out$"
    ):
        parse("vqa", {"out": None, "image": "1", "question": "q"}, columns={"answer": "out"})


def test_column_whose_name_has_a_dot() -> None:
    row = {"a.b": "a", "c.d": {"e": "q"}, "image": "1"}
    assert plain(parse("vqa", row, columns={"answer": "a.b", "prompt": "c.d.e"})) == answered("<1>", "q")


def test_images_column_of_messages_can_be_named() -> None:
    assert plain(parse("messages", chat(IMAGE, TEXT, scan="1"), columns={"image": "scan"})) == answered("<1>", "q")


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("messages", {"messages": [ASK, SAY]}),
        ("conversations", llava("q", "a")),
        ("prompts", {"prompt": "q", "completion": "a"}),
        ("vqa", {"image": "1", "question": "q", "answer": "a"}),
    ],
)
def test_system_prompt_of_rows_without_one(form: str, value: Any) -> None:
    assert plain(parse(form, value, systemPrompt="Be short."))[0] == ("system", ["Be short."])


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("messages", {"messages": [ASK, SAY]}),
        ("conversations", llava("q", "a")),
        ("prompts", {"prompt": [ASK], "completion": [SAY]}),
        ("prompts", {"prompt": "q", "completion": "a"}),
        ("vqa", {"query": "q", "response": "a"}),
    ],
)
def test_system_column_is_the_system_prompt_of_its_row(form: str, value: dict[str, Any]) -> None:
    own = [("system", ["s"]), *answered("q")]
    assert plain(parse(form, {"system": "s", **value}, systemPrompt="Be short.")) == own
    for empty in (None, "", " \n"):
        assert plain(parse(form, {"system": empty, **value})) == answered("q")
        assert plain(parse(form, {"system": empty, **value}, systemPrompt="s")) == own
    with pytest.raises(BadRowError, match=r"^system: is a list; write the system prompt as a text"):
        parse(form, {"system": ["s"], **value})


def test_two_system_prompts_of_a_row_must_be_the_same() -> None:
    turns = {"messages": [{"role": "system", "content": "s"}, ASK, SAY]}
    assert plain(parse("messages", {"system": "s", **turns})) == [("system", ["s"]), *answered("q")]
    with pytest.raises(BadRowError, match=r"^system: is another system prompt than messages\[0\]"):
        parse("messages", {"system": "t", **turns})


def test_system_message_of_the_row_stays() -> None:
    row = parse("messages", {"messages": [{"role": "system", "content": "s"}, ASK, SAY]}, systemPrompt="Be short.")
    assert [message.text for message in row.messages if message.role == "system"] == ["s"]


@pytest.mark.parametrize("form", ["prompts", "captions", "vqa", "keyValues", "columns", "grounding"])
def test_templates_make_the_question(form: str) -> None:
    row = {"image": "1", "completion": "a", "caption": "a", "answer": "a", "fields": {"a": 1}, "lang": "French"}
    row["boxes"] = [{"label": "x", "box": [0, 0, 0.5, 0.5]}]
    user = parse(form, row, promptTemplates=["Read the {lang}.", "{lang}?"]).messages[0]
    assert user.parts[-1].text == "Read the French."
    assert user.parts[-1].others == ("French?",)


@pytest.mark.parametrize(
    "cell",
    [
        '["a", "b"]',
        {"text": ["a", "b"], "answer_start": [3, 9]},
        [{"text": "a", "answer_start": 3}, {"text": "b", "answer_start": 9}],
        '{"text": ["a", "b"], "answer_start": [3, 9]}',
    ],
    ids=["cell of a table", "SQuAD as datasets has it", "SQuAD as it was", "SQuAD in a cell"],
)
def test_answers_column_holds_several_answers_however_it_is_written(cell: Any) -> None:
    row = parse("vqa", {"question": "q", "answers": cell})
    assert plain(row) == answered("q")
    assert row.references == ("a", "b")
    named = parse("columns", {"qa": {"answers": cell}}, columns={"answer": "qa.answers"}, promptTemplate="q")
    assert plain(named) == answered("q", answer=["a", "b"])


def test_captions_in_a_cell_of_a_table_are_wordings() -> None:
    row = parse("captions", {"image": "1", "captions": '["a", "b"]'})
    assert plain(row) == answered("<1>", "Describe the picture.", answer=["a", "b"])


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("answer", '["a", "b"]'),
        ("answer", '{"text": ["a"]}'),
        ("answers", "[redacted]"),
        ("answers", '{"total": "1.00"}'),
        ("answers", '{"text": "a"}'),
        ("answers", "12"),
    ],
)
def test_other_texts_stay_as_they_are(column: str, text: str) -> None:
    assert parse("vqa", {"question": "q", column: text}).answer == text


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("['a', 'b']", "answers: \"['a', 'b']\" is Python's form of a list; write it as JSON: "),
        ("['a' 'b']", "is Python's form of a list"),
        ({"text": [], "answer_start": []}, "answers.text: is an empty list"),
        ("[]", "answers: is an empty list"),
        ('["a", ""]', "answers[1]: the answer is empty"),
    ],
)
def test_cells_without_answers_are_refused(cell: Any, complaint: str) -> None:
    with pytest.raises(BadRowError) as raised:
        parse("vqa", {"question": "q", "answers": cell})
    assert complaint in str(raised.value)


def test_columns_without_a_picture() -> None:
    assert plain(parse("columns", {"answer": 3, "x": 1}, promptTemplate="{x}+2=")) == answered("1+2=", answer="3")


def test_template_cannot_replace_a_list_of_messages() -> None:
    with pytest.raises(
        BadConfigError, match=r"^spec\.dataset\.promptTemplate: the rows' prompts are lists of messages"
    ):
        parse("prompts", {"prompt": [ASK], "completion": [SAY]}, promptTemplate="x")


def test_errors_show_no_more_than_a_line_of_a_value() -> None:
    with pytest.raises(BadRowError) as error:
        parse("columns", {f"column {index}" * 99: 1 for index in range(99)}, promptTemplate="x")
    assert len(str(error.value)) < 1500


def test_data_folder_is_where_pictures_lie() -> None:
    assert (
        next(parse("vqa", {"image": "a/1.png", "question": "q", "answer": "a"}).pictures).source == FOLDER / "a/1.png"
    )
