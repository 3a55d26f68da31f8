"""Draw the data of the examples: pictures and rows in the forms that teams have them in.

    python examples/pictures/make_data.py --out FOLDER [receipts captions two-pictures boxes]

    FOLDER/receipts/{train,validation}/    an image folder: metadata.jsonl names each picture and its fields
    FOLDER/captions/{train,validation}/    an image folder: metadata.csv names each picture and its caption
    FOLDER/two-pictures/train.json, ...    a JSON list of questions about two pictures each
    FOLDER/boxes/train.jsonl, ...          one JSON object a line: a picture, a question, and boxes in pixels

Training and validation pictures are drawn apart, from seeds of their own.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Callable
from pathlib import Path

from papers import draw_lines, write_receipt
from scenes import Scene, Thing, draw_scene

TRAIN_ROWS = 1_600
VALIDATION_ROWS = 150
TRAY = 3
"""Compartments a side: so small a model learns nine places in minutes, and any place in hours."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"of {', '.join(TASKS)}; all of them without a name")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=int, default=TRAIN_ROWS, help="rows to train on (default %(default)s)")
    parser.add_argument("--validation", type=int, default=VALIDATION_ROWS, help="held-out rows (default %(default)s)")
    arguments = parser.parse_args()
    for task in arguments.tasks or TASKS:
        if task not in TASKS:
            parser.error(f"{task}: there is no such task; choose from {', '.join(TASKS)}")
        make_data(task, arguments.out / task, arguments.seed, arguments.train, arguments.validation)


def make_data(task: str, folder: Path, seed: int, train: int, validation: int) -> None:
    """Both sets of one task; the same seed draws the same."""
    for name, rows in (("train", train), ("validation", validation)):
        TASKS[task](folder, name, rows, random.Random(f"{task}/{name}/{seed}"))


def write_receipts(folder: Path, name: str, rows: int, rng: random.Random) -> None:
    """An image folder whose metadata holds the fields in Donut's form."""
    pictures = _folder(folder / name)
    with (pictures / "metadata.jsonl").open("w") as metadata:
        for index in range(rows):
            receipt = write_receipt(rng)
            draw_lines(rng, receipt.lines).save(pictures / f"{index:04d}.png")
            fields = {"company": receipt.shop, "date": receipt.date, "item": receipt.item, "price": receipt.price}
            row = {"file_name": f"{index:04d}.png", "ground_truth": {"gt_parse": fields}}
            metadata.write(json.dumps(row) + "\n")


def write_captions(folder: Path, name: str, rows: int, rng: random.Random) -> None:
    """An image folder whose metadata holds a sentence about each picture."""
    pictures = _folder(folder / name)
    with (pictures / "metadata.csv").open("w", newline="") as metadata:
        table = csv.writer(metadata)
        table.writerow(("file_name", "caption"))
        for index in range(rows):
            scene = draw_scene(rng, (1, 2))
            scene.image.save(pictures / f"{index:04d}.png")
            table.writerow((f"{index:04d}.png", caption(scene)))


def write_two_pictures(folder: Path, name: str, rows: int, rng: random.Random) -> None:
    """A JSON list; each row has two pictures and a question that takes both."""
    _folder(folder / name)
    table = []
    for index in range(rows):
        scenes = draw_scene(rng, (1, 2)), draw_scene(rng, (1, 2))
        paths = [f"{name}/{index:04d}-{position}.png" for position in ("first", "second")]
        for scene, path in zip(scenes, paths, strict=True):
            scene.image.save(folder / path)
        question, answer = compare(scenes, rng)
        table.append({"images": paths, "question": question, "answer": answer})
    (folder / f"{name}.json").write_text(json.dumps(table, indent=1) + "\n")


def write_boxes(folder: Path, name: str, rows: int, rng: random.Random) -> None:
    """JSONL; the boxes are left, top, right, bottom in pixels."""
    pictures = _folder(folder / name)
    with (folder / f"{name}.jsonl").open("w") as table:
        for index in range(rows):
            scene = draw_scene(rng, (1, 2), TRAY)
            scene.image.save(pictures / f"{index:04d}.png")
            boxes = [
                {"label": thing.name, "bbox": [thing.left, thing.top, thing.right, thing.bottom]}
                for thing in scene.things
            ]
            row = {"image": f"{name}/{index:04d}.png", "question": "Find the shapes.", "boxes": boxes}
            table.write(json.dumps(row) + "\n")


def caption(scene: Scene) -> str:
    """Such as `A red circle on the left and a blue square on the right.`"""
    if len(scene.things) == 1:
        return f"{_article(scene.things[0])} alone."
    left, right = scene.things
    return f"{_article(left)} on the left and {_article(right).lower()} on the right."


def compare(scenes: tuple[Scene, Scene], rng: random.Random) -> tuple[str, str]:
    """A question about two pictures, and its answer."""
    one, other = (len(scene.things) for scene in scenes)
    if rng.random() < 0.5:
        return "How many shapes are in both pictures together?", str(one + other)
    return "Which picture has more shapes?", "first" if one > other else "second" if other > one else "neither"


def _article(thing: Thing) -> str:
    return f"{'An' if thing.name[0] in 'aeiou' else 'A'} {thing.name}"


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


TASKS: dict[str, Callable[[Path, str, int, random.Random], None]] = {
    "receipts": write_receipts,
    "captions": write_captions,
    "two-pictures": write_two_pictures,
    "boxes": write_boxes,
}


if __name__ == "__main__":
    main()
