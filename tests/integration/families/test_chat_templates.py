"""The quirks of real chat templates: none may cost words, teach wrong ones, or leave the model without an end."""

from __future__ import annotations

from typing import Any

import pytest
from support.family_bench import FamilyBench
from visionft_trainer import chat
from visionft_trainer.errors import BadModelError
from visionft_trainer.rows import Message, Picture, Row, Text, Where

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


def test_a_template_that_rewrites_earlier_turns_is_refused(named_bench: Any) -> None:
    """Llama 3.2 Vision writes a date above the first turn unless there is a picture, which here comes later."""
    with pytest.raises(BadModelError, match="rewrites earlier turns"):
        rendered(named_bench("Llama 3.2 Vision"), SECOND, answer("six"), QUESTION, answer("five"))


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
