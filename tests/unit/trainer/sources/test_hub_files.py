"""Which files of a repository are a configuration and split."""

from typing import Any

import pytest
from visionft_trainer.sources.hub_files import NoSuchFilesError, choose, pictures_of

SHARDS = [f"data/{split}-0000{index}-of-00002.parquet" for split in ("train", "test") for index in (1, 0)]
NOISE = ["README.md", ".gitattributes", "script.py", "_old/train.jsonl", "dataset_infos.json"]


def configs(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"configs": list(entries)}


DEFAULT = {
    "config_name": "default",
    "data_files": [{"split": "train", "path": "data/train-*"}, {"split": "test", "path": "x/*"}],
}

GOOD = [
    (SHARDS, {}, None, "train", ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]),
    (SHARDS, {}, None, "test", ["data/test-00000-of-00002.parquet", "data/test-00001-of-00002.parquet"]),
    (["train.jsonl", "dev.jsonl"], {}, None, "validation", ["dev.jsonl"]),
    (["train.jsonl", "dev.jsonl"], {}, None, "dev", ["dev.jsonl"]),
    (["my_train.csv", "my_test.csv"], {}, None, "train", ["my_train.csv"]),
    (["train/x.json", "val/x.json"], {}, None, "validation", ["val/x.json"]),
    (["training2.json", "retrain.json"], {}, None, "train", ["training2.json"]),
    (["b.jsonl", "a.jsonl"], {}, None, "train", ["a.jsonl", "b.jsonl"]),
    (["x-10.tar", "x-9.tar"], {}, None, "train", ["x-9.tar", "x-10.tar"]),
    (["en/train.csv", "fr/train.csv"], {}, "fr", "train", ["fr/train.csv"]),
    (["train/metadata.csv", "train/1.png", "train/list.csv"], {}, None, "train", ["train/metadata.csv"]),
    (["train/cat/1.png", "test/cat/2.png"], {}, None, "train", ["train/cat/1.png"]),
    (
        SHARDS,
        configs(DEFAULT),
        None,
        "train",
        ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
    ),
    (SHARDS, configs({"data_files": "**/test-*.parquet"}), None, "train", sorted(SHARDS[2:])),
    (["a.csv", "b.csv"], configs({"data_files": ["b.csv", "*.csv"]}), None, "train", ["b.csv", "a.csv"]),
    (["x/a/1.csv", "x/2.csv"], configs({"data_files": "x/*.csv"}), None, "train", ["x/2.csv"]),
    (["x1.csv", "x22.csv"], configs({"data_files": "x?.csv"}), None, "train", ["x1.csv"]),
    (["x1.csv", "x2.csv"], configs({"data_files": "x[2-9].csv"}), None, "train", ["x2.csv"]),
    (
        ["en/train.csv", "fr/train.csv"],
        configs({"config_name": "fr", "data_dir": "fr"}),
        "fr",
        "train",
        ["fr/train.csv"],
    ),
    (
        ["a.csv", "b.csv"],
        configs(
            {"config_name": "a", "data_files": "a.csv"}, {"config_name": "b", "data_files": "b.csv", "default": True}
        ),
        None,
        "train",
        ["b.csv"],
    ),
    (
        ["a.csv", "b.csv"],
        configs({"config_name": "a", "data_files": "a.csv"}, {"config_name": "b", "data_files": "b.csv"}),
        "a",
        "train",
        ["a.csv"],
    ),
    (
        ["a.csv"],
        configs({"config_name": "default", "data_files": [{"split": "train", "path": ["a.csv"]}]}),
        None,
        "train",
        ["a.csv"],
    ),
]


@pytest.mark.parametrize(("names", "card", "config", "split", "expected"), GOOD)
def test_chosen(names: list[str], card: dict[str, Any], config: str | None, split: str, expected: list[str]) -> None:
    assert choose([*NOISE, *names], card, config, split) == expected


TWO = configs({"config_name": "a", "data_files": "a.csv"}, {"config_name": "b", "data_files": "b.csv"})
BAD = [
    (SHARDS, {}, None, "validation", "it has no split 'validation'; it has test, train"),
    (["a.csv"], {}, None, "validation", "it has no split 'validation'; it has train"),
    ([], {}, None, "train", "it has no data files, which end in .jsonl"),
    (["a.csv"], {}, "fr", "train", "it has no configuration 'fr': no `configs` in its card, no folder fr/"),
    (["a.csv", "b.csv"], TWO, None, "train", "it has the configurations a, b; name one in config"),
    (["a.csv", "b.csv"], TWO, "c", "train", "it has no configuration 'c'; it has a, b"),
    (["a.csv"], TWO, "a", "test", "it has no split 'test'; it has train"),
    (["b.csv"], TWO, "a", "train", "the files that its card names for the split 'train' are not there"),
    (["b.csv"], configs({"data_files": "[z-a].csv"}), None, "train", "pattern '[z-a].csv', which cannot be read"),
    (["b.csv"], configs({"data_files": [{"path": 3}]}), None, "train", "it has no split 'train'; it has None"),
]


@pytest.mark.parametrize(("names", "card", "config", "split", "complaint"), BAD)
def test_refused(names: list[str], card: dict[str, Any], config: str | None, split: str, complaint: str) -> None:
    with pytest.raises(NoSuchFilesError) as error:
        choose([*NOISE, *names], card, config, split)
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("chosen", "pictures"),
    [
        (["train/data.jsonl"], ["train/1.png", "train/a/2.jpg"]),
        (["data.jsonl"], ["3.png", "test/4.png", "train/1.png", "train/a/2.jpg"]),
        (["train/metadata.parquet"], ["train/1.png", "train/a/2.jpg"]),
        (["train/x.parquet"], []),
        (["x.tar"], []),
    ],
)
def test_pictures_that_come_along(chosen: list[str], pictures: list[str]) -> None:
    names = ["train/1.png", "train/a/2.jpg", "3.png", "test/4.png", "train/x.txt"]
    assert sorted(pictures_of(chosen, names)) == pictures
