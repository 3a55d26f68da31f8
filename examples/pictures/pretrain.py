"""Pre-train the examples' base model on drawn pictures, from nothing.

    python examples/pictures/pretrain.py --out examples/pictures/model --steps 4500 --workers 15

It learns to read printed lines, to list coloured shapes, to say where one is, and to tell two pictures apart: what the
examples then tune it for is close to that, but in other words and forms. Writes weights (bfloat16), configuration,
tokenizer, processor and `pretrain.log` to --out. The examples do not need this script: the result is committed.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[1] / "demo"))
from papers import draw_lines, text_of, write_lines, write_receipt
from scenes import CANVAS, Scene, draw_scene
from tiny_vlm import Size, answer_labels, build_model, build_processor, build_tokenizer
from transformers import BatchFeature, Qwen2VLForConditionalGeneration, Qwen2VLProcessor

PICTURES_READER = Size(
    vocabulary=400, text_width=128, text_mlp=384, text_layers=5, text_heads=4, vision_width=128, vision_layers=4
)
# Of Qwen2-VL: a thing and its box, which the boxes example answers with.
BOX_TOKENS = ["<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>"]
READ, LIST, WHERE, BOTH = "Read the text.", "List the shapes.", "Where is the ", "What is in the pictures?"
PROMPTS = [READ, LIST, WHERE, BOTH, "red", "green", "blue", "orange", "purple", "black", "circle", "square"]

PEAK_LEARNING_RATE = 1.5e-3
PEAK_STEP = 500
BATCH_SIZE = 64
MAX_GRADIENT_NORM = 1.0
CHECKED = 192
CHECK_EVERY = 500


@dataclass(frozen=True)
class Sample:
    """A question about pictures, and its answer."""

    images: tuple[Image.Image, ...]
    question: str
    answer: str


def names(scene: Scene) -> str:
    """`red circle, blue square`, from left to right."""
    return ", ".join(thing.name for thing in scene.things)


def draw_sample(rng: random.Random) -> Sample:
    """One of the tasks."""
    match rng.choices(("lines", "receipt", "list", "where", "both"), weights=(7, 2, 2, 2, 1))[0]:
        case "lines":
            lines = write_lines(rng)
            return Sample((draw_lines(rng, lines),), READ, text_of(lines))
        case "receipt":
            lines = write_receipt(rng).lines
            return Sample((draw_lines(rng, lines),), READ, text_of(lines))
        case "list":
            scene = draw_scene(rng, (1, 2, 3))
            return Sample((scene.image,), LIST, names(scene))
        case "where":
            scene = draw_scene(rng, (1, 2, 3))
            thing = rng.choice(scene.things)
            edges = (thing.left, thing.top, thing.right, thing.bottom)
            return Sample(
                (scene.image,), f"{WHERE}{thing.name}?", " ".join(str(round(e * 100 / CANVAS)) for e in edges)
            )
        case _:
            one, other = draw_scene(rng, (1, 2)), draw_scene(rng, (1, 2))
            return Sample((one.image, other.image), BOTH, f"first: {names(one)}. second: {names(other)}.")


def learning_rate(step: int, steps: int) -> float:
    """Linear to the peak, then a cosine to zero."""
    if step < PEAK_STEP:
        return PEAK_LEARNING_RATE * (step + 1) / PEAK_STEP
    return PEAK_LEARNING_RATE * (1 + math.cos(math.pi * (step - PEAK_STEP) / (steps - PEAK_STEP))) / 2


def conversation(sample: Sample, *, answered: bool) -> list[dict[str, object]]:
    """The chat of one sample, as the trainer builds it."""
    content = [*({"type": "image"} for _ in sample.images), {"type": "text", "text": sample.question}]
    question = {"role": "user", "content": content}
    return [question, {"role": "assistant", "content": sample.answer}] if answered else [question]


def encode(processor: Qwen2VLProcessor, samples: Sequence[Sample], *, answered: bool) -> BatchFeature:
    """Token ids and patches of a batch; prompts alone (padded on the left) when not `answered`."""
    texts = [
        processor.apply_chat_template(conversation(sample, answered=answered), add_generation_prompt=not answered)
        for sample in samples
    ]
    processor.tokenizer.padding_side = "right" if answered else "left"
    images = [image.convert("RGB") for sample in samples for image in sample.images]
    return processor(text=texts, images=images, padding=True, return_tensors="pt")


class Batches(torch.utils.data.Dataset):
    """Batch `n` is drawn from the seed and `n` alone, whichever worker draws it."""

    def __init__(self, processor: Qwen2VLProcessor, steps: int, seed: int) -> None:
        self.processor, self.steps, self.seed = processor, steps, seed

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        torch.set_num_threads(1)
        rng = random.Random(f"{self.seed}/{step}")
        batch = encode(self.processor, [draw_sample(rng) for _ in range(BATCH_SIZE)], answered=True)
        return {**batch, "labels": answer_labels(self.processor, batch["input_ids"])}


@torch.no_grad()
def share_right(
    model: Qwen2VLForConditionalGeneration, processor: Qwen2VLProcessor, samples: Sequence[Sample]
) -> dict[str, float]:
    """Share of greedy answers that are right to the letter, by question."""
    model.eval()
    right: dict[str, list[bool]] = {}
    for first in range(0, len(samples), 64):
        chosen = samples[first : first + 64]
        batch = encode(processor, chosen, answered=False).to(model.device)
        output = model.generate(**batch, max_new_tokens=60)
        answers = processor.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        for sample, answer in zip(chosen, answers, strict=True):
            kind = next(prompt for prompt in (READ, LIST, WHERE, BOTH) if sample.question.startswith(prompt))
            right.setdefault(kind.strip(), []).append(answer.strip() == sample.answer)
    model.train()
    return {kind: sum(values) / len(values) for kind, values in sorted(right.items())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=4_500)
    parser.add_argument("--workers", type=int, default=2, help="processes that draw (default %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    check_rng = random.Random(f"{arguments.seed}/check")
    check = [draw_sample(check_rng) for _ in range(CHECKED)]
    processor = build_processor(build_tokenizer(PICTURES_READER, PROMPTS, BOX_TOKENS))
    model = build_model(processor, PICTURES_READER).to(arguments.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    batches = torch.utils.data.DataLoader(
        Batches(processor, arguments.steps, arguments.seed),
        batch_size=None,
        num_workers=arguments.workers,
        pin_memory=arguments.device == "cuda",
        prefetch_factor=4 if arguments.workers else None,
    )

    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "pretrain.log").open("w") as log:

        def tell(text: str) -> None:
            log.write(text + "\n")
            log.flush()
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

        count = sum(parameter.numel() for parameter in model.parameters())
        tell(
            f"seed {arguments.seed}, {count:,} parameters, {arguments.steps} steps of {BATCH_SIZE}, {arguments.device}"
        )
        started, losses = time.monotonic(), []
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, arguments.steps)
            inputs = {name: tensor.to(arguments.device, non_blocking=True) for name, tensor in batch.items()}
            loss = model(**inputs).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
            if (step + 1) % CHECK_EVERY == 0:
                mean = float(torch.stack(losses).mean())
                losses.clear()
                right = "  ".join(f"{kind} {share:.2f}" for kind, share in share_right(model, processor, check).items())
                tell(f"step {step + 1:5d}  loss {mean:.4f}  {right}  {time.monotonic() - started:4.0f} s")
        model.to(torch.bfloat16).save_pretrained(arguments.out)
        processor.save_pretrained(arguments.out)
        (arguments.out / "model.safetensors").chmod(0o644)  # safetensors writes for the owner alone
        saved = Qwen2VLForConditionalGeneration.from_pretrained(arguments.out, dtype=torch.float32)
        right = share_right(saved.to(arguments.device), processor, check)
        tell(f"as saved (bfloat16): {right}")


if __name__ == "__main__":
    main()
