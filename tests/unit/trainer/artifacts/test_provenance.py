"""What provenance tells, and what it must not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from support.tiny_spec import tiny_run
from visionft_trainer.artifacts import provenance

TOKEN = "hf_0123456789"
MOMENT = datetime(2026, 1, 31, 9, tzinfo=timezone(timedelta(hours=1)))


def test_nothing_secret_leaves(tmp_path: Path) -> None:
    source = {"http": {"url": f"https://example.com/a.tar?signature={TOKEN}", "digest": "sha256:" + "0" * 64}}
    env = [{"name": "API_TOKEN", "value": TOKEN}]
    run_file = tiny_run(tmp_path, dataset={"train": source}, podTemplate={"env": env})
    assert run_file.spec.dataset.train is not None
    inputs = [provenance.rows("train", run_file.spec.dataset.train, None, "sha256:" + "1" * 64)]
    said = provenance.to_json(provenance.begin(run_file, 1, MOMENT, inputs))
    assert TOKEN not in said
    assert "API_TOKEN" in said
    assert "https://example.com/a.tar" in said


def test_the_same_content_gives_the_same_text(tmp_path: Path) -> None:
    def text(moment: datetime) -> str:
        origin = provenance.end(provenance.begin(tiny_run(tmp_path), 1, moment, []), moment, shippedStep=6)
        return provenance.to_json(provenance.statement({"b": "2", "a": "1"}, origin))

    assert text(MOMENT) == text(MOMENT.astimezone(UTC))
    statement = json.loads(text(MOMENT))
    assert [each["name"] for each in statement["subject"]] == ["a", "b"]
    told = statement["predicate"]["runDetails"]["metadata"]
    assert told["startedOn"] == told["finishedOn"] == "2026-01-31T08:00:00Z"
    assert told["visionft_shippedStep"] == 6


def test_a_model_and_rows_of_the_hub_are_known_by_their_commits(tmp_path: Path) -> None:
    spec = tiny_run(tmp_path, dataset={"train": {"hub": {"repo": "org/rows"}}}).spec
    assert spec.dataset.train is not None
    assert provenance.model("org/model", "a" * 40, None) == {
        "name": "model",
        "uri": f"hf://org/model@{'a' * 40}",
        "digest": {"gitCommit": "a" * 40},
    }
    found = provenance.rows("train", spec.dataset.train, "b" * 40, "sha256:" + "1" * 64)
    assert found["uri"] == f"hf://datasets/org/rows@{'b' * 40}"
