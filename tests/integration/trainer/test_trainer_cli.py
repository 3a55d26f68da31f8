"""`visionft-trainer` as a user or a pod starts it: a process of its own, anew where its begin or end matters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import patience
from support.nursery import Nursery, Piped
from support.report_server import serve
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, OUTPUT_CLAIM, tiny_run, write_manifest
from visionft_api.parse import ManifestError
from visionft_api.report import ReportEnvelope
from visionft_api.status import Stage
from visionft_api.termination import decode
from visionft_trainer import cli
from visionft_trainer.commands.command import Command
from visionft_trainer.errors import BadConfigError

Start = Callable[..., "Piped | subprocess.Popen[str]"]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    output = tmp_path / OUTPUT_CLAIM
    output.mkdir()
    return output


@pytest.fixture
def start(place: Path, output: Path, nursery: Nursery) -> Start:
    """Starts the program with the claims given by flags, or by `VISIONFT_PVC_ROOT` where `pod` is a folder.

    `anew`: in a Python of its own, which takes its seconds to load the libraries.
    """

    def run(
        *arguments: str | Path, pod: Path | None = None, anew: bool = False, **env: str
    ) -> Piped | subprocess.Popen[str]:
        claims = {MODEL_CLAIM: place / MODEL_CLAIM, DATA_CLAIM: place / DATA_CLAIM, OUTPUT_CLAIM: output}
        environment = {"PATH": os.environ["PATH"], "HOME": str(output), "OMP_NUM_THREADS": "1", **env}
        flags = [f"--pvc={name}={folder}" for name, folder in claims.items()]
        if pod is not None:
            flags = []
            environment["VISIONFT_PVC_ROOT"] = str(pod)
            for name, folder in claims.items():
                (pod / name).symlink_to(folder)
        words = [*map(str, arguments), *flags]
        if not anew:
            return nursery.start_piped(words, environment)
        command = [sys.executable, "-m", "visionft_trainer", *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    return run


def test_workstation_run_from_rows_to_result(start: Start, output: Path, tmp_path: Path) -> None:
    manifest = write_manifest(
        tmp_path / "tiny.json",
        output={"merged": True},
        evaluation={"metrics": ["cer", "exactMatch"], "gates": ["cer <= 0.01"]},
    )
    process = start("run", manifest)
    printed, errors = process.communicate(timeout=patience.SECONDS)
    assert process.returncode == 0, errors
    result = json.loads((output / "tiny" / "run-1" / "result.json").read_text())
    assert result["evaluation"]["verdict"] == "Failed"
    assert set(result["evaluation"]["baseline"]) == {"cer", "exactMatch"}
    for artifact in result["artifacts"]:
        assert artifact["uri"] in printed
        assert artifact["digest"] in printed
    assert "cer is" in printed
    assert result["evaluation"]["summary"] in printed
    assert "training" in errors
    assert "Traceback" not in errors
    answers = [json.loads(line) for line in (output / "tiny" / "run-1" / "answers.jsonl").read_text().splitlines()]
    assert [answer["reference"] for answer in answers] == [str(number) for number in range(60, 66)]


def test_pod_reports_and_saves_a_checkpoint_when_it_is_stopped(start: Start, output: Path, tmp_path: Path) -> None:
    run_file = tmp_path / "run.json"
    training = {"maxSteps": 4000, "batchSize": 1, "checkpoints": {"every": 3000}}
    run_file.write_text(tiny_run(tmp_path, uid="u-1", training=training).to_text())
    log = tmp_path / "termination-log"
    token = tmp_path / "token"
    token.write_text("t0ken")
    pods = tmp_path / "pvc"
    pods.mkdir()
    with serve(tmp_path / "tls") as server:
        process = start(
            "run",
            run_file,
            pod=pods,
            VISIONFT_TERMINATION_LOG=str(log),
            VISIONFT_REPORT_URL=server.url,
            VISIONFT_REPORT_TOKEN_FILE=str(token),
            VISIONFT_REPORT_CA_FILE=str(tmp_path / "tls" / "ca.crt"),
        )
        while process.poll() is None and not any("step" in body["report"]["progress"] for _, body in server.requests):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=patience.SECONDS)
        assert process.returncode == 143, errors
        assert server.stages == [stage.value for stage in Stage][: len(server.stages)]
        for headers, body in server.requests:
            assert headers["Authorization"] == "Bearer t0ken"
            ReportEnvelope.model_validate(body)
    message = decode(log.read_bytes())
    assert message is not None
    assert (message.exit_code, message.stage) == (143, Stage.TRAIN)
    assert "it goes on where it stopped" in message.message
    assert message.evaluation is not None
    assert message.evaluation.baseline
    assert len(list((output / "tiny" / "run-1" / "checkpoints").glob("checkpoint-*"))) == 1
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"adapter": {"rank": 0}}, "spec.adapter.rank"),
        (
            {"resources": {"gpus": 1, "nodes": 2}},
            "spec.resources.nodes: Invalid value: 2: not supported by this version",
        ),
        ({"output": {"pvc": {"claimName": "elsewhere"}}}, "the claim 'elsewhere' is not mounted here"),
    ],
)
def test_mistakes_in_the_manifest_are_told_without_loading_torch(
    start: Start, tmp_path: Path, change: dict[str, dict[str, object]], complaint: str
) -> None:
    manifest = write_manifest(tmp_path / "tiny.json", **change)
    log = tmp_path / "termination-log"
    process = start("run", manifest, anew=True, VISIONFT_TERMINATION_LOG=str(log), PYTHONPROFILEIMPORTTIME="1")
    _, errors = process.communicate(timeout=patience.SECONDS)
    assert process.returncode == 10
    assert complaint in errors
    assert "Traceback" not in errors
    assert not any(name in errors for name in ("| torch\n", "| transformers\n", "| numpy\n"))
    message = decode(log.read_bytes())
    assert message is not None
    assert (message.exit_code, message.reason) == (10, "BadConfig")
    assert complaint in message.message


def test_check_tells_what_would_be_trained_on(start: Start, output: Path, tmp_path: Path) -> None:
    process = start("check", write_manifest(tmp_path / "tiny.json", dataset={"limits": {"maxTokens": 80}}))
    printed, errors = process.communicate(timeout=patience.SECONDS)
    assert process.returncode == 0, errors
    rows = [line for line in printed.splitlines() if "rows that are used" in line]
    assert [cell.strip() for cell in rows[0].split("│")[1:-1]] == ["rows that are used", "23", "6"]
    assert "train: 1 row left out: too many tokens" in printed
    assert "model: Qwen2-VL" in printed
    assert list(output.iterdir()) == []


def test_check_in_a_pod_reports_and_leaves_what_it_found(start: Start, output: Path, tmp_path: Path) -> None:
    run_file, log, pods = tmp_path / "run.json", tmp_path / "termination-log", tmp_path / "pvc"
    run_file.write_text(tiny_run(tmp_path, uid="u-1", dataset={"limits": {"maxTokens": 80}}).to_text())
    pods.mkdir()
    with serve(tmp_path / "tls") as server:
        process = start(
            "check",
            run_file,
            "--device=cpu",
            pod=pods,
            VISIONFT_TERMINATION_LOG=str(log),
            VISIONFT_REPORT_URL=server.url,
            VISIONFT_REPORT_CA_FILE=str(tmp_path / "tls" / "ca.crt"),
        )
        _, errors = process.communicate(timeout=patience.SECONDS)
        assert process.returncode == 0, errors
        assert server.requests[-1][1]["report"]["data"]["train"]["rows"] == 23
    message = decode(log.read_bytes())
    assert message is not None
    assert (message.run, message.exit_code, message.reason) == (1, 0, "Completed")
    assert message.data is not None
    assert message.data.train is not None
    assert sum((message.data.train.dropped or {}).values()) == 1
    assert list(output.iterdir()) == []


def test_ctrl_c_ends_a_check_with_a_sentence(start: Start, output: Path, tmp_path: Path) -> None:
    process = start("check", write_manifest(tmp_path / "tiny.json"))
    assert process.stderr is not None
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    errors = first + process.stderr.read()
    assert process.wait(timeout=patience.SECONDS) == 130
    assert errors.endswith("visionft-trainer: The command was stopped by SIGINT. It left nothing behind.\n")
    assert "Traceback" not in errors
    assert list(output.iterdir()) == []


def test_ctrl_c_before_the_program_listens_is_quiet(start: Start, tmp_path: Path) -> None:
    process = start("check", write_manifest(tmp_path / "tiny.json"), anew=True, PYTHONPROFILEIMPORTTIME="1")
    assert process.stderr is not None
    assert any(line.split()[-1] == "pydantic_core" for line in process.stderr)  # on its way to the API's models
    process.send_signal(signal.SIGINT)
    errors = process.stderr.read()
    assert process.wait(timeout=patience.SECONDS) == -signal.SIGINT  # which a shell calls 130
    assert "Traceback" not in errors


def test_a_reader_that_has_seen_enough_is_no_error(start: Start, tmp_path: Path) -> None:
    process = start("check", write_manifest(tmp_path / "tiny.json"), "--quiet", anew=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    assert (process.wait(timeout=patience.SECONDS), errors) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chek", "tiny.yaml"], "there is no command 'chek'. Did you mean check?"),
        (["tiny.yaml"], "say what to do with tiny.yaml: visionft-trainer run tiny.yaml"),
        (["wibble"], "there is no command 'wibble'. There are: run, check, estimate,"),
        ([], "the following arguments are required: COMMAND"),
        (["run"], "the following arguments are required: MANIFEST"),
        (["export", "tiny.yaml"], "the following arguments are required: --out"),
        (["run", "tiny.yaml", "--processes", "two"], "argument --processes: invalid int value: 'two'"),
    ],
)
def test_mistyped_calls(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_wrong_path_is_told_with_what_may_be_meant(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "digits.yaml")
    with pytest.raises(BadConfigError, match=rf"is a folder\. Give the manifest's file, such as {manifest}"):
        cli.load(tmp_path)
    with pytest.raises(BadConfigError, match=rf"no such file\. Did you mean {manifest}"):
        cli.load(tmp_path / "digit.yaml")
    with pytest.raises(BadConfigError, match=r"no such file\. Give the path"):
        cli.load(tmp_path / "nowhere" / "digits.yaml")
    manifest.write_text("spec: [1, 2")
    with pytest.raises(ManifestError, match="not YAML"):
        cli.load(manifest)


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_each_command_has_a_page_of_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    example = next(line.strip() for line in text.splitlines() if line.startswith(f"  visionft-trainer {command} "))
    assert cli.parse(example.split()[1:]).command == command
    takes_manifest = isinstance(cli.COMMANDS[command], Command)
    assert ("--pvc" in text) == takes_manifest
    assert ("--device" in text) == (takes_manifest and command != "estimate")
    for word in ("--quiet", "11  the dataset is missing"):
        assert word in text


def test_help_names_commands_and_exit_codes(start: Start) -> None:
    command = [sys.executable, "-m", "visionft_trainer", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for word in (*cli.COMMANDS, "--pvc digits=./digits", "11  the dataset is missing"):
        assert word in text
