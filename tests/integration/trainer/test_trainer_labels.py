"""What the model sees and what it learns from: only answers, whatever stands around them."""

from collections.abc import Callable
from typing import Any

import torch
from visionft_trainer.prepare.collate import prompt_batch
from visionft_trainer.prepare.preprocess import IGNORED

Build = Callable[..., Any]


def test_only_answers_are_learnt(workbench: Build) -> None:
    bench = workbench()
    decode = bench.processor.tokenizer.decode
    for example in bench.train.examples:
        answers = "".join(f"{m.text}<|im_end|>" for m in example.row.messages if m.role == "assistant")
        learnt = example.labels != IGNORED
        assert decode(example.labels[learnt]) == answers
        assert torch.equal(example.labels[learnt], example.input_ids[learnt])
        assert not (example.labels == bench.processor.image_token_id).any()


def test_ids_are_those_of_the_models_own_processor(workbench: Build) -> None:
    from PIL import Image

    bench = workbench()
    (talk,) = [example for example in bench.train.examples if len(example.row.messages) == 5]
    messages = [
        {
            "role": message.role,
            "content": [
                {"type": "text", "text": part.text} if hasattr(part, "text") else {"type": "image"}
                for part in message.parts
            ],
        }
        for message in talk.row.messages
    ]
    images = [Image.open(picture.source) for picture in talk.row.pictures]
    text = bench.processor.apply_chat_template(messages, tokenize=False)
    expected = bench.processor(text=[text], images=images, return_tensors="pt")
    pictures = bench.train.pictures.of(talk.row)
    assert torch.equal(talk.input_ids, expected["input_ids"][0])
    assert torch.equal(pictures["pixel_values"], expected["pixel_values"])
    assert torch.equal(pictures["image_grid_thw"], expected["image_grid_thw"])
    assert torch.equal(
        bench.family.text_inputs(bench.processor, talk.input_ids, [])["mm_token_type_ids"],
        expected["mm_token_type_ids"][0],
    )


def test_prompt_ends_where_the_answer_begins(workbench: Build) -> None:
    bench = workbench()
    for example in bench.train.examples:
        prompt = bench.processor.tokenizer.decode(example.prompt_ids)
        assert prompt.endswith("<|im_start|>assistant\n")
        assert torch.equal(example.input_ids[: len(example.prompt_ids)], example.prompt_ids)


def test_padding_is_masked_on_the_right_side(workbench: Build) -> None:
    bench = workbench()
    batch = bench.batch()
    lengths = torch.tensor([len(example.input_ids) for example in bench.train.examples])
    assert torch.equal(batch["attention_mask"].sum(1), lengths)
    assert (batch["labels"][batch["attention_mask"] == 0] == IGNORED).all()
    prompts = prompt_batch(bench.train.examples, bench.train, bench.processor, bench.family)
    assert (prompts["attention_mask"][:, -1] == 1).all()


def test_rows_that_do_not_fit_are_left_out_whole(workbench: Build) -> None:
    bench = workbench(dataset={"limits": {"maxTokens": 80, "maxImages": 2}})
    assert len(bench.train.examples) == 23
    (dropped,) = bench.train.dropped.named
    assert (dropped.where.row, dropped.reason) == (23, "row 23: too many images: 3, spec.dataset.limits.maxImages is 2")
    bench = workbench(dataset={"limits": {"maxTokens": 80}})
    assert bench.train.dropped.by_reason == {"too many tokens": 1}
    assert bench.train.dropped.named[0].reason.endswith("spec.dataset.limits.maxTokens is 80")


def test_pixel_bounds_of_the_spec_scale_pictures(workbench: Build) -> None:
    def tokens_of_first_picture(**bounds: int) -> int:
        bench = workbench(dataset={"image": bounds})
        return int((bench.train.examples[0].input_ids == bench.processor.image_token_id).sum())

    assert tokens_of_first_picture() == 64 * 32 // 16**2
    assert tokens_of_first_picture(minPixels=64 * 64) >= 64 * 64 // 16**2
    assert tokens_of_first_picture(maxPixels=32 * 32) <= 32 * 32 // 16**2
