"""The quirks of real chat templates: none may cost words, teach wrong ones, or leave the model without an end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.family_bench import FamilyBench
from support.tiny_data import write_numbers, write_rows
from support.tiny_spec import DATA_CLAIM, tiny_spec
from visionft_trainer.data import ingest
from visionft_trainer.data.rows import Message, Picture, Row, Text, Where
from visionft_trainer.errors import BadDatasetError, BadModelError
from visionft_trainer.prepare import chat, preprocess
from visionft_trainer.prepare.preprocess import Prepared
from visionft_trainer.settings import Settings
from visionft_trainer.storage.scratch import Scratch

SYSTEM = Message("system", (Text("Be brief."),))
QUESTION = Message("user", (Picture(b""), Text("What is 5?")))
SECOND = Message("user", (Text("And 6?"),))


def answer(text: str) -> Message:
    return Message("assistant", (Text(text),))


def rendered(bench: FamilyBench, *messages: Message) -> chat.Rendered:
    return chat.render(bench.processor, Row(Where("rows", 1), messages), bench.family)


def learnt(found: chat.Rendered) -> list[str]:
    return [found.text[start:end] for start, end in found.answers]


END = {
    "Llama 3.2 Vision": "<|eot_id|>",
    "Pixtral": "</s>",
    "Mistral Small 3": "</s>",
    "LLaVA 1.5": "</s>",
    "LLaVA-NeXT": "</s>",
    "LLaVA-OneVision": "<|im_end|>",
    "Gemma 3": "<end_of_turn>",
}
SPACED = {"LLaVA 1.5", "LLaVA-NeXT"}  # a space stands before an answer
UNENDED = {"LLaVA 1.5", "LLaVA-NeXT"}  # no token stands behind an answer


@pytest.fixture(scope="module", params=END)
def talker(request: pytest.FixtureRequest, named_bench: Any) -> FamilyBench:
    bench: FamilyBench = named_bench(request.param)
    return bench


def test_last_answer_stands_behind_its_prompt_and_ends(talker: FamilyBench) -> None:
    found = rendered(talker, QUESTION, answer("five"))
    name = talker.family.name
    assert learnt(found) == [(" " if name in SPACED else "") + "five" + END[name]]
    assert found.text.startswith(found.prompt)
    assert found.answers[0][0] == len(found.prompt)


def test_answers_before_the_last_are_learnt_where_they_stand(talker: FamilyBench) -> None:
    found = rendered(talker, QUESTION, answer("five"), SECOND, answer("six"))
    name = talker.family.name
    first, last = learnt(found)
    assert first.strip() == "five" + ("" if name in UNENDED else END[name])
    assert last.strip() == "six" + END[name]
    assert found.text.index("five") < found.text.index("And 6?") < found.text.index("six")


def test_words_are_not_lost_where_parts_are_wanted(talker: FamilyBench) -> None:
    found = rendered(talker, SECOND, answer("six"))
    assert found.prompt.count("And 6?") == 1
    assert "{'type'" not in found.text


def test_system_prompt_stands_before_the_question(talker: FamilyBench) -> None:
    messages = (SYSTEM, QUESTION, answer("five"))
    if talker.family.name == "Llama 3.2 Vision":
        with pytest.raises(ValueError, match="chat template refuses them: Prompting with images is incompatible"):
            rendered(talker, *messages)
        messages = (SYSTEM, SECOND, answer("six"))
    found = rendered(talker, *messages)
    assert found.prompt.count("Be brief.") == 1
    assert found.prompt.index("Be brief.") < found.prompt.index("?")
    assert "{'type'" not in found.text
    assert len(learnt(found)) == 1


def test_a_system_prompt_above_the_last_question_alone(named_bench: Any) -> None:
    found = rendered(named_bench("Pixtral"), SYSTEM, QUESTION, answer("five"), SECOND, answer("six"))
    assert found.text == "<s>[INST][IMG]What is 5?[/INST]five</s>[INST]Be brief.\n\nAnd 6?[/INST]six</s>"
    assert learnt(found) == ["five</s>", "six</s>"]


def test_a_row_whose_earlier_turns_the_template_rewrites_is_refused(named_bench: Any) -> None:
    """Llama 3.2 Vision writes a date above the first turn unless there is a picture, which here comes later."""
    with pytest.raises(chat.RewrittenTurnsError, match=r"rewrites earlier turns.*put the picture into the first"):
        rendered(named_bench("Llama 3.2 Vision"), SECOND, answer("six"), QUESTION, answer("five"))


IMAGE = {"type": "image_url", "image_url": {"url": "images/10.png"}}


def talk(*turns: Any) -> dict[str, Any]:
    roles = ("user", "assistant") * 2
    return {"messages": [{"role": role, "content": turn} for role, turn in zip(roles, turns, strict=False)]}


PLAIN = talk([IMAGE, {"type": "text", "text": "This?"}], "10")
TWO_ANSWERS = talk([IMAGE, {"type": "text", "text": "This?"}], "10", "Twice?", "20")
REWRITTEN = talk("Ready?", "Yes", [IMAGE, {"type": "text", "text": "This?"}], "10")


@pytest.fixture
def prepare(named_bench: Any, tmp_path: Path) -> Callable[..., Prepared]:
    """Prepares rows for Llama 3.2 Vision, with the manifest's `badRows`."""
    bench: FamilyBench = named_bench("Llama 3.2 Vision")

    def prepared(bad_rows: str, *rows: dict[str, Any]) -> Prepared:
        write_numbers(tmp_path, "others.jsonl", 1)
        write_rows(tmp_path, "train.jsonl", list(rows))
        spec = tiny_spec(tmp_path, dataset={"badRows": bad_rows, "validation": None})
        scratch = Scratch(Path(tempfile.mkdtemp(dir=tmp_path)))
        split = ingest.read_split(
            "train", spec.dataset.train, spec.dataset, Settings(claims={DATA_CLAIM: tmp_path}), scratch
        )
        return preprocess.preprocess(split, spec.dataset, bench.processor, bench.family, scratch)

    return prepared


def test_rewritten_row_is_named_with_its_mend(prepare: Callable[..., Prepared]) -> None:
    with pytest.raises(BadDatasetError, match=r"train\.jsonl: 1 row of 3 cannot be used: row 2: messages: .* rewrites"):
        prepare("Refuse", PLAIN, REWRITTEN, TWO_ANSWERS)


def test_rewritten_row_can_be_dropped(prepare: Callable[..., Prepared]) -> None:
    found = prepare("Drop", PLAIN, REWRITTEN, TWO_ANSWERS)
    assert [example.row.where.row for example in found.examples] == [1, 3]
    assert found.dropped.by_reason == {"rewritten by chat template": 1}


def test_the_model_is_to_blame_where_every_row_of_several_answers_is_rewritten(
    prepare: Callable[..., Prepared],
) -> None:
    with pytest.raises(BadModelError, match=r"every row of several answers, first in row 2 of the train data"):
        prepare("Refuse", PLAIN, REWRITTEN, REWRITTEN)


def test_a_row_that_spells_the_picture_token_is_one_bad_row(prepare: Callable[..., Prepared]) -> None:
    spelt = talk("What is <|image|>?", "10")
    with pytest.raises(BadDatasetError, match=r"1 row of 2 cannot be used: row 2: .*take <\|image\|> out of the text"):
        prepare("Refuse", PLAIN, spelt)
    assert prepare("Drop", PLAIN, spelt).dropped.by_reason == {"picture token in text": 1}


def test_a_misspelt_end_is_not_learnt(named_bench: Any) -> None:
    bench: FamilyBench = named_bench("LLaVA-NeXT")
    words = [{"role": "assistant", "content": [{"type": "text", "text": "five"}]}]
    assert bench.processor.apply_chat_template(words) == " five<\\s> "
    found = rendered(bench, QUESTION, answer("five"))
    assert found.text.endswith("[/INST] five</s>")


def test_roles_that_a_template_refuses_are_told(named_bench: Any) -> None:
    with pytest.raises(ValueError, match=r"chat template refuses them: Conversation roles must alternate"):
        rendered(named_bench("Gemma 3"), QUESTION, SECOND, answer("six"))


@pytest.mark.parametrize("name", END)
def test_first_token_is_written_once(name: str, named_bench: Any) -> None:
    bench: FamilyBench = named_bench(name)
    tokenizer = bench.processor.tokenizer
    if tokenizer.bos_token is None:
        assert name == "LLaVA-OneVision"
        return
    for example in bench.rows.examples:
        for ids in (example.input_ids, example.prompt_ids):
            assert int(ids[0]) == tokenizer.bos_token_id
            assert int((ids == tokenizer.bos_token_id).sum()) == 1
