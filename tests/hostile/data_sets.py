"""Pictures in every container that data comes in; each row is a picture and its number as caption."""

from __future__ import annotations

import base64
import csv
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hostile.pictures import Sample

Write = Callable[[Path, Sequence[Sample]], str]
"""Writes samples into an empty folder; gives the path of the data in it."""


def _files(folder: Path, samples: Sequence[Sample]) -> list[dict[str, str]]:
    rows = []
    for number, sample in enumerate(samples):
        name = f"{number:04d}.{('png', 'jpg', 'tif')[number % 3]}"  # often not what is inside
        (folder / name).write_bytes(sample.data)
        rows.append({"image": name, "text": str(number)})
    return rows


def json_lines(folder: Path, samples: Sequence[Sample]) -> str:
    """Files beside a JSONL file."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _files(folder, samples)))
    return "rows.jsonl"


def data_uris(folder: Path, samples: Sequence[Sample]) -> str:
    """Pictures inside the lines."""
    lines = [
        {"image": f"data:image/png;base64,{base64.b64encode(sample.data).decode()}", "text": str(number)}
        for number, sample in enumerate(samples)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return "rows.jsonl"


def json_list(folder: Path, samples: Sequence[Sample]) -> str:
    """Files beside one JSON list."""
    (folder / "rows.json").write_text(json.dumps(_files(folder, samples)))
    return "rows.json"


def comma_separated(folder: Path, samples: Sequence[Sample]) -> str:
    """Files beside a CSV file."""
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["image", "text"])
        writer.writeheader()
        writer.writerows(_files(folder, samples))
    return "rows.csv"


def parquet(folder: Path, samples: Sequence[Sample]) -> str:
    """Bytes in a column, as `datasets` writes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"image": {"bytes": sample.data, "path": None}, "text": str(number)} for number, sample in enumerate(samples)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet", row_group_size=50)
    return "rows.parquet"


def arrow(folder: Path, samples: Sequence[Sample]) -> str:
    """An Arrow file, as `save_to_disk` leaves."""
    import pyarrow as pa

    table = pa.Table.from_pylist(
        [{"image": {"bytes": sample.data, "path": None}, "text": str(number)} for number, sample in enumerate(samples)]
    )
    with pa.ipc.new_stream(str(folder / "rows.arrow"), table.schema) as writer:
        writer.write_table(table)
    return "rows.arrow"


def web_dataset(folder: Path, samples: Sequence[Sample]) -> str:
    """A tar of pictures and texts."""
    with tarfile.open(folder / "rows.tar", "w") as tar:
        for number, sample in enumerate(samples):
            for name, data in ((f"{number:04d}.png", sample.data), (f"{number:04d}.txt", str(number).encode())):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return "rows.tar"


def picture_folder(folder: Path, samples: Sequence[Sample]) -> str:
    """A folder of pictures with a text beside each."""
    place = folder / "pictures"
    place.mkdir()
    for row in _files(place, samples):
        (place / row["image"]).with_suffix(".txt").write_text(row["text"])
    return "pictures"


CONTAINERS: Mapping[str, Write] = {
    write.__name__: write
    for write in (json_lines, data_uris, json_list, comma_separated, parquet, arrow, web_dataset, picture_folder)
}
