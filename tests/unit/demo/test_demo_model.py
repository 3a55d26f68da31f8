"""The committed base model: loads with plain transformers, sees lines as they are drawn, cannot read handwriting."""

import random
from pathlib import Path

import pytest
import torch
from lines import LINE_HEIGHT, PROMPT
from make_data import CALM, draw_line, load_scans
from PIL import Image
from pretrain import answer_labels, character_error_rate, encode
from safetensors import safe_open
from transformers import AutoModelForImageTextToText, AutoProcessor, Qwen2VLForConditionalGeneration, Qwen2VLProcessor

MODEL = Path(__file__).parents[3] / "examples" / "demo" / "model"
LARGEST_FILE = 3_000_000
"""Bytes; it is kept in git."""


@pytest.fixture(scope="module")
def processor() -> Qwen2VLProcessor:
    return AutoProcessor.from_pretrained(MODEL)


@pytest.fixture(scope="module")
def model() -> Qwen2VLForConditionalGeneration:
    return AutoModelForImageTextToText.from_pretrained(MODEL, dtype=torch.float32)


def test_the_weights_are_16_bit_and_small_enough_to_commit() -> None:
    file = MODEL / "model.safetensors"
    assert file.stat().st_size < LARGEST_FILE
    with safe_open(file, "pt") as tensors:
        assert {tensors.get_tensor(name).dtype for name in tensors.keys()} == {torch.bfloat16}  # noqa: SIM118


def test_it_is_a_stock_qwen2_vl(model: object, processor: object) -> None:
    assert type(model) is Qwen2VLForConditionalGeneration
    assert type(processor) is Qwen2VLProcessor


@pytest.mark.parametrize("width", [48, 160, 320, 640])
def test_lines_are_not_resized(processor: Qwen2VLProcessor, width: int) -> None:
    grid = processor.image_processor(Image.new("L", (width, LINE_HEIGHT)), return_tensors="pt")["image_grid_thw"]
    assert grid.tolist() == [[1, LINE_HEIGHT // 8, width // 8]]


def test_the_template_is_that_of_qwen2_vl(processor: Qwen2VLProcessor) -> None:
    question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}
    answer = {"role": "assistant", "content": "123"}
    asked = (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Read the digits.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert processor.apply_chat_template([question], add_generation_prompt=True) == asked
    assert processor.apply_chat_template([question, answer]) == asked + "123<|im_end|>\n"


def test_any_text_survives_the_tokenizer(processor: Qwen2VLProcessor) -> None:
    text = "Größe: 42 µm, 数字 №7"
    assert processor.tokenizer.decode(processor.tokenizer(text).input_ids) == text


def test_pre_training_learns_the_answer_and_its_end_alone(processor: Qwen2VLProcessor) -> None:
    lines = [draw_line(load_scans(), CALM, random.Random(seed)) for seed in range(3)]
    ids = encode(processor, lines, answers=True)["input_ids"]
    for line, labels in zip(lines, answer_labels(processor, ids), strict=True):
        assert processor.tokenizer.decode(labels[labels >= 0]) == f"{line.text}<|im_end|>"


def test_handwriting_is_new_to_it(model: Qwen2VLForConditionalGeneration, processor: Qwen2VLProcessor) -> None:
    rng = random.Random(0)
    scans = load_scans()
    cer = character_error_rate(model, processor, [draw_line(scans, CALM, rng) for _ in range(60)])
    assert 0.5 < cer < 1.0
