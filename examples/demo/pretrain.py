"""Pre-train the demo's base model on printed digits, from nothing (about eight minutes on two cores).

    python examples/demo/pretrain.py --fonts /usr/share/fonts/truetype/dejavu --out examples/demo/model

Writes weights (bfloat16), configuration, tokenizer, processor and `pretrain.log` to --out. The demo itself does not
need this script: the result is committed.

The schedule matters. The answer first becomes readable from the picture only after some hundreds of steps near the peak
rate; a cycle planned for 5,000 steps and left at step 3,000 stays there long enough. One planned for 1,500 steps does
not, and ends on the plateau where the model guesses digits without looking.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import jiwer
import torch
from lines import PROMPT, Line
from printed import draw_line, find_fonts
from tiny_vlm import DIGITS_READER, answer_labels, build_model, build_processor, build_tokenizer
from transformers import BatchFeature, Qwen2VLForConditionalGeneration, Qwen2VLProcessor

PEAK_LEARNING_RATE = 1.5e-3
PEAK_STEP = 500
CYCLE_STEPS = 5_000
STEPS = 3_000
COOL_DOWN_STEPS = 400
"""The last steps take the rate to zero, which settles the weights before they are rounded to 16 bits."""
BATCH_SIZE = 32
MAX_GRADIENT_NORM = 1.0
CHECK_LINES = 256
CHECK_EVERY = 100


def learning_rate(step: int) -> float:
    """Linear to the peak, then a cosine over the whole cycle, cut by the cool-down."""
    cool_down = min(1.0, (STEPS - step) / COOL_DOWN_STEPS)
    if step < PEAK_STEP:
        return PEAK_LEARNING_RATE * (step + 1) / PEAK_STEP
    position = (step - PEAK_STEP) / (CYCLE_STEPS - PEAK_STEP)
    return PEAK_LEARNING_RATE * (1 + math.cos(math.pi * position)) / 2 * cool_down


def conversation(answer: str | None) -> list[dict[str, object]]:
    """The chat of one line, as the trainer builds it; without an answer when the model is to give it."""
    question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}
    return [question] if answer is None else [question, {"role": "assistant", "content": answer}]


def encode(processor: Qwen2VLProcessor, lines: Sequence[Line], *, answers: bool) -> BatchFeature:
    """Token ids and patches of a batch; prompts alone (padded on the left) when `answers` is false."""
    texts = [
        processor.apply_chat_template(conversation(line.text if answers else None), add_generation_prompt=not answers)
        for line in lines
    ]
    processor.tokenizer.padding_side = "right" if answers else "left"
    return processor(text=texts, images=[line.image for line in lines], padding=True, return_tensors="pt")


@torch.no_grad()
def character_error_rate(
    model: Qwen2VLForConditionalGeneration, processor: Qwen2VLProcessor, lines: Sequence[Line]
) -> float:
    """CER of greedy answers."""
    model.eval()
    read: list[str] = []
    for first in range(0, len(lines), 64):
        batch = encode(processor, lines[first : first + 64], answers=False)
        output = model.generate(**batch, max_new_tokens=16)
        read += processor.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    model.train()
    return float(jiwer.cer([line.text for line in lines], read))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fonts", type=Path, required=True, help="folder of the DejaVu fonts")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    fonts = find_fonts(arguments.fonts)
    torch.manual_seed(arguments.seed)
    rng = random.Random(arguments.seed)
    check_rng = random.Random(arguments.seed + 1)
    check = [draw_line(check_rng, fonts) for _ in range(CHECK_LINES)]
    processor = build_processor(build_tokenizer(DIGITS_READER, [PROMPT]))
    model = build_model(processor, DIGITS_READER).train()
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01)

    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "pretrain.log").open("w") as log:

        def tell(text: str) -> None:
            log.write(text + "\n")
            log.flush()
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

        count = sum(parameter.numel() for parameter in model.parameters())
        tell(f"seed {arguments.seed}, {count:,} parameters, {len(fonts)} fonts, batch {BATCH_SIZE}")
        started, losses = time.monotonic(), []
        for step in range(STEPS):
            batch = encode(processor, [draw_line(rng, fonts) for _ in range(BATCH_SIZE)], answers=True)
            labels = answer_labels(processor, batch["input_ids"])
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step)
            loss = model(**batch, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            if (step + 1) % CHECK_EVERY == 0:
                cer = character_error_rate(model, processor, check[:64])
                mean = sum(losses) / len(losses)
                losses.clear()
                tell(
                    f"step {step + 1:5d}  loss {mean:.4f}  printed CER {cer:.4f}  "
                    f"learning rate {learning_rate(step):.2e}  {time.monotonic() - started:4.0f} s"
                )
        model.to(torch.bfloat16).save_pretrained(arguments.out)
        processor.save_pretrained(arguments.out)
        (arguments.out / "model.safetensors").chmod(0o644)  # safetensors writes for the owner alone
        saved = Qwen2VLForConditionalGeneration.from_pretrained(arguments.out, dtype=torch.float32)
        cer = character_error_rate(saved, processor, check)
        tell(f"as saved (bfloat16): printed CER {cer:.4f} on {len(check)} lines")


if __name__ == "__main__":
    main()
