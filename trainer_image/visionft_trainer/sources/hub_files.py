"""Which files of a data set's repository are the configuration and split that the manifest names (pure).

The repository's card may say it under `configs`, in the form that `datasets` reads. Else the usual names are tried:
`data/train-00000-of-00002.parquet`, `train.jsonl`, `train/...`, and all data files where none is called after a split.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from visionft_trainer.data.containers.files import (
    KINDS,
    NO_DATA,
    PICTURE_NAMERS,
    SHOWN_ENDINGS,
    ending_of,
    set_and_number,
)
from visionft_trainer.data.containers.image_folder import ENDINGS

DEFAULT_CONFIG, DEFAULT_SPLIT = "default", "train"
SPLIT_WORDS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""What files of a split are called."""
SEPARATOR = re.compile(r"[-._ ]|(?<=\D)(?=\d)")
SHOWN = 8  # names in an error


class NoSuchFilesError(ValueError):
    """The repository does not have what is asked for; says what it has."""


def choose(names: Iterable[str], card: Mapping[str, Any], config: str | None, split: str) -> list[str]:
    """The data files of `config` and `split` among `names`, in their order.

    `card` is what stands at the head of the repository's README. Raises `NoSuchFilesError`.
    """
    files = [name for name in names if _is_visible(name)]
    configs = [entry for entry in _list(card.get("configs")) if isinstance(entry, dict)]
    if not configs:
        below = files if config in (None, DEFAULT_CONFIG) else [name for name in files if name.startswith(f"{config}/")]
        if not below and config not in (None, DEFAULT_CONFIG):
            raise NoSuchFilesError(f"it has no configuration {config!r}: no `configs` in its card, no folder {config}/")
        return by_split_names(below, split)
    chosen = _config(configs, config)
    if isinstance(chosen.get("data_dir"), str):
        folder = chosen["data_dir"].strip("/").removeprefix("./")
        files = [name for name in files if name.startswith(f"{folder}/")] if folder else files
    if not chosen.get("data_files"):
        return by_split_names(files, split)
    found = _matching(files, _patterns(chosen, split))
    if not found:
        raise NoSuchFilesError(f"the files that its card names for the split {split!r} are not there")
    return found


def by_split_names(names: Sequence[str], split: str) -> list[str]:
    """The files called after `split` in the usual ways; all of them where none is called after any."""
    found = data_files(names)
    words = SPLIT_WORDS.get(split, (split,))
    mine = [name for name in found if _is_called(name, words)]
    if mine:
        return in_order(mine)
    others = sorted({other for name in found for other, words in SPLIT_WORDS.items() if _is_called(name, words)})
    if found and not others and split == DEFAULT_SPLIT:
        return in_order(found)
    if not found:
        raise NoSuchFilesError(
            f"it has no data files, which end in {SHOWN_ENDINGS}, and no pictures. Data sets that are made by a "
            "script are not run"
        )
    raise NoSuchFilesError(f"it has no split {split!r}; it has {', '.join(others) or DEFAULT_SPLIT}")


def data_files(names: Sequence[str]) -> list[str]:
    """Metadata of image folders, else data files, else pictures."""
    found = [name for name in names if ending_of(name) and PurePosixPath(name).name not in NO_DATA]
    metadata = [name for name in found if PurePosixPath(name).name.partition(".")[0] == "metadata"]
    return metadata or found or [name for name in names if name.lower().endswith(ENDINGS)]


def pictures_of(chosen: Sequence[str], names: Iterable[str]) -> list[str]:
    """The pictures that the rows of the chosen files may name; none for files that hold their pictures."""
    if not any(KINDS.get(ending_of(name) or "") in PICTURE_NAMERS or _is_metadata(name) for name in chosen):
        return []
    folders = {str(PurePosixPath(name).parent) for name in chosen}
    return [
        name
        for name in names
        if name.lower().endswith(ENDINGS) and any(folder == "." or name.startswith(f"{folder}/") for folder in folders)
    ]


def in_order(names: Iterable[str]) -> list[str]:
    """Shards by their number, others by name."""
    return sorted(names, key=lambda name: (str(PurePosixPath(name).parent), *set_and_number(PurePosixPath(name).name)))


def _is_metadata(name: str) -> bool:
    return PurePosixPath(name).name.partition(".")[0] == "metadata"


def _config(configs: Sequence[Mapping[str, Any]], config: str | None) -> Mapping[str, Any]:
    names = [str(entry.get("config_name", DEFAULT_CONFIG)) for entry in configs]
    if config is not None:
        if config in names:
            return configs[names.index(config)]
        raise NoSuchFilesError(f"it has no configuration {config!r}; it has {_shown(names)}")
    default = next((entry for entry in configs if entry.get("default") is True), None)
    if default is not None:
        return default
    if len(configs) == 1:
        return configs[0]
    if DEFAULT_CONFIG in names:
        return configs[names.index(DEFAULT_CONFIG)]
    raise NoSuchFilesError(f"it has the configurations {_shown(names)}; name one in config")


def _patterns(config: Mapping[str, Any], split: str) -> list[str]:
    """The patterns of the split's files: `data_files` is a pattern, a list of them, or a list by splits."""
    entries = _list(config["data_files"])
    by_split = {
        str(entry.get("split")): [str(path) for path in _list(entry.get("path"))]
        for entry in entries
        if isinstance(entry, dict)
    }
    if not by_split:
        by_split = {DEFAULT_SPLIT: [str(entry) for entry in entries]}
    if split not in by_split:
        raise NoSuchFilesError(f"it has no split {split!r}; it has {_shown(list(by_split))}")
    return by_split[split]


def _matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Names by the pattern that they match first, within a pattern in order."""
    found: dict[str, None] = {}
    for pattern in patterns:
        fits = _pattern(pattern.removeprefix("./"))
        found |= dict.fromkeys(in_order(name for name in names if fits(name)))
    return list(found)


def _pattern(pattern: str) -> Callable[[str], bool]:
    """`**` is any folders, `*` and `?` stay within a name."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    regex = "".join(
        words.get(part) or (part if index % 2 and part.startswith("[") else re.escape(part))
        for index, part in enumerate(parts)
    )
    try:
        compiled = re.compile(regex)
    except re.error:
        raise NoSuchFilesError(f"its card has the pattern {pattern!r}, which cannot be read") from None
    return lambda name: compiled.fullmatch(name) is not None


def _is_called(name: str, words: Sequence[str]) -> bool:
    """Whether a folder or the file is called after a split: `train`, `train-00000-of-00002.parquet`, `my_train.csv`."""
    return any(word in SEPARATOR.split(part.lower()) for part in PurePosixPath(name).parts for word in words)


def _is_visible(name: str) -> bool:
    return not any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
