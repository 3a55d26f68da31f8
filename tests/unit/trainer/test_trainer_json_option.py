"""`--json FILE` is looked at before a command begins its work, which may take hours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from visionft_trainer import cli

COMMANDS = (("check", "m.yaml"), ("estimate", "m.yaml"), ("evaluate", "m.yaml"), ("verify", "adapter"))


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("name", "said"),
    [("", "is a folder"), ("nowhere/found.json", "there is no folder"), ("pipe", "is no plain file")],
)
def test_a_place_that_no_file_can_have(
    words: tuple[str, str], name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--json", str(tmp_path / name)])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert f"argument --json: {tmp_path}" in error
    assert said in error
