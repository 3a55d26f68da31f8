"""`visionft-trainer verify` names the first file that is not as it left, and is led nowhere by a hostile copy."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.small_artifacts import MODEL, write_artifact
from visionft_trainer import cli
from visionft_trainer.artifacts import provenance, sums, verify
from visionft_trainer.artifacts.artifact import Artifact, seal
from visionft_trainer.artifacts.oci_layout import TITLE


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return write_artifact(tmp_path, sizes=(3_000_000, 10))


def found(folder: Path, expected: str | None = None) -> tuple[str, str] | None:
    problem = verify.verify(verify.FolderCopy(folder), expected).problem
    return (problem.file, problem.what) if problem else None


def sign_again(folder: Path, statement: Any) -> None:
    """Put another provenance into an artifact, with sums that fit it."""
    text = statement if isinstance(statement, str) else json.dumps(statement)
    (folder / provenance.FILE).write_text(text)
    listed = sums.parse((folder / sums.FILE).read_bytes())
    sums.write(folder, listed | sums.of_file(folder, provenance.FILE))


def test_says_what_it_is_and_where_it_comes_from(artifact: Artifact, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(artifact.folder)]) == 0
    said = capsys.readouterr().out
    for words in (f"{artifact.folder}: all 6 files", artifact.digest, "team/tiny, run 1", MODEL, "2026-01-31", "none;"):
        assert words in said
    assert cli.main(["verify", str(artifact.folder), "--json", "-", "--digest", artifact.digest]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["sound"]
    assert report["origin"]["signed"] is False
    assert {"name": "model", "uri": MODEL, "digest": "sha256:" + "0" * 64} in report["origin"]["inputs"]
    assert any(package.startswith("pkg:pypi/pydantic@") for package in report["origin"]["packages"])


def test_a_reader_who_has_seen_enough(artifact: Artifact) -> None:
    """As `| head` does."""
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "visionft_trainer", "verify", str(artifact.folder)]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_everybody_may_read_what_only_its_writer_could(tmp_path: Path) -> None:
    made = seal("report", write_artifact(tmp_path).folder, {})
    (made.folder / "config.json").chmod(0o600)
    seal("report", made.folder, {})
    assert {path.stat().st_mode & 0o777 for path in made.folder.iterdir()} == {0o644}


def test_sha256sum_agrees(artifact: Artifact) -> None:
    command = ["sha256sum", "--check", "--strict", "--quiet", sums.FILE]
    assert subprocess.run(command, cwd=artifact.folder, capture_output=True).returncode == 0
    total = subprocess.run(["sha256sum", sums.FILE], cwd=artifact.folder, capture_output=True, text=True, check=True)
    assert artifact.digest == f"sha256:{total.stdout.split()[0]}"


def test_every_file_that_is_changed_is_named(artifact: Artifact) -> None:
    for file in sorted(artifact.folder.iterdir()):
        before = file.read_bytes()
        for position in (0, len(before) // 2, len(before) - 1):
            file.write_bytes(before[:position] + bytes([before[position] ^ 1]) + before[position + 1 :])
            problem = found(artifact.folder)
            assert problem is not None, (file.name, position)
            if file.name != sums.FILE:  # a digest there that was changed is told as the file that it is of
                assert problem == (file.name, "changed")
        file.write_bytes(before)
        file.unlink()
        assert found(artifact.folder) == (file.name, "missing")
        file.write_bytes(before)
    assert found(artifact.folder) is None


def test_the_first_of_several_is_named(artifact: Artifact) -> None:
    (artifact.folder / "model-00001.safetensors").write_bytes(b"")
    (artifact.folder / "a file that was added").write_bytes(b"")
    (artifact.folder / "model-00000.safetensors").unlink()
    assert found(artifact.folder) == ("a file that was added", "added")
    (artifact.folder / "a file that was added").unlink()
    assert found(artifact.folder) == ("model-00000.safetensors", "missing")


def test_an_artifact_made_anew_has_another_digest(artifact: Artifact, tmp_path: Path) -> None:
    other = write_artifact(tmp_path / "forged", seed=9)
    assert found(other.folder) is None
    assert found(other.folder, artifact.digest) == (sums.FILE, "changed")
    assert cli.main(["verify", str(other.folder), "--digest", artifact.digest]) == 3


def test_what_the_hub_adds_is_no_change(artifact: Artifact) -> None:
    (artifact.folder / ".gitattributes").write_text("* text\n")
    (artifact.folder / ".cache" / "huggingface").mkdir(parents=True)
    (artifact.folder / ".cache" / "huggingface" / "x").write_text("")
    assert found(artifact.folder) is None


def a_link_to(target: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        content = (folder / "config.json").read_bytes()
        (folder / "config.json").unlink()
        (folder.parent / "outside").write_bytes(content)
        (folder / "config.json").symlink_to(target)

    return make


def a_pipe(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", [a_link_to("../outside"), a_link_to("/dev/zero"), a_link_to("config.json"), a_pipe])
def test_links_and_devices_are_not_read(artifact: Artifact, make: Callable[[Path], None]) -> None:
    make(artifact.folder)
    assert found(artifact.folder) == ("config.json", "changed")


def test_a_linked_folder_is_added(artifact: Artifact, tmp_path: Path) -> None:
    (artifact.folder / "more").symlink_to(tmp_path)
    assert found(artifact.folder) == ("more", "added")


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd", "a/../../x", "a//b", "./a", "a\\b", "\x1b[2J", "..", ".", "a\u202eb"]
)
def test_sums_that_lead_elsewhere(artifact: Artifact, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with (artifact.folder / sums.FILE).open("a") as file:
        file.write(f"{'0' * 64}  {name}\n")
    assert found(artifact.folder) == (sums.FILE, "broken")
    assert cli.main(["verify", str(artifact.folder)]) == 3
    assert "\x1b" not in capsys.readouterr().err


def test_line_ends_that_something_has_changed(artifact: Artifact, capsys: pytest.CaptureFixture[str]) -> None:
    file = artifact.folder / sums.FILE
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert cli.main(["verify", str(artifact.folder)]) == 3
    assert "SHA256SUMS is broken: its lines end as on Windows" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\n",
        b"abc",
        b"0" * 64 + b"  x",
        b"0" * 64 + b"  x\n" + b"1" * 64 + b"  x\n",
        b"x" * (sums.MAX_BYTES + 1),
    ],
    ids=["empty", "no text", "no line", "cut off", "twice", "huge"],
)
def test_sums_that_are_none(artifact: Artifact, content: bytes) -> None:
    (artifact.folder / sums.FILE).write_bytes(content)
    problem = found(artifact.folder)
    assert problem == ((sums.FILE, "broken") if content else ("README.md", "added"))


def statement_of(folder: Path) -> Any:
    return json.loads((folder / provenance.FILE).read_text())


def about_others(statement: Any) -> Any:
    statement["subject"][0]["digest"]["sha256"] = "1" * 64
    return statement


def of_another_type(statement: Any) -> Any:
    return statement | {"_type": "https://in-toto.io/Statement/v0.1"}


HOSTILE: list[Callable[[Any], Any]] = [
    about_others,
    of_another_type,
    lambda statement: statement | {"subject": 7},
    lambda statement: statement | {"predicate": []},
    lambda statement: [],
    lambda statement: "not JSON",
    lambda statement: "[" * 200_000,
    lambda statement: '"' + "x" * (verify.MAX_PROVENANCE_BYTES + 1) + '"',
    lambda statement: "9" * 10_000,
]


@pytest.mark.parametrize("change", HOSTILE)
def test_provenance_that_is_none(artifact: Artifact, change: Callable[[Any], Any]) -> None:
    sign_again(artifact.folder, change(statement_of(artifact.folder)))
    assert found(artifact.folder) == (provenance.FILE, "broken")


def test_provenance_in_odd_words_is_shown_harmlessly(artifact: Artifact, capsys: pytest.CaptureFixture[str]) -> None:
    statement = statement_of(artifact.folder)
    definition, details = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
    definition["externalParameters"] = [1]
    definition["resolvedDependencies"] = ["x", {"name": "\x1b[31mred", "uri": {"a": 1}, "digest": 5}, {}]
    details |= {"builder": "me", "metadata": {"visionft_run": "\x07", "startedOn": None}}
    sign_again(artifact.folder, statement)
    assert cli.main(["verify", str(artifact.folder)]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\x07" not in said


def test_names_no_digest_where_nothing_lies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, complaint in [
        ([str(tmp_path / "nothing")], "there is no such folder"),
        ([str(tmp_path)], "there is no SHA256SUMS"),
        ([str(tmp_path), "--digest", "sha1:1"], "write it as sha256:"),
    ]:
        assert cli.main(["verify", *words]) == 10
        assert complaint in capsys.readouterr().err


def test_a_folder_of_artifacts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_artifact(tmp_path)
    (write_artifact(tmp_path, "merged").folder / "config.json").write_text("{}")
    assert cli.main(["verify", str(tmp_path)]) == 3
    said = capsys.readouterr()
    assert "adapter: all 5 files" in said.out
    assert "merged: config.json was changed" in said.err
    (tmp_path / provenance.FILE).write_text("{}")  # as the folder of a run has it
    assert cli.main(["verify", str(tmp_path)]) == 3
    assert "merged: config.json was changed" in capsys.readouterr().err
    assert cli.main(["verify", str(tmp_path), "--digest", "sha256:" + "0" * 64]) == 10


@pytest.mark.parametrize("below", ["", "tuned", "team/tuned"])
def test_above_runs_each_of_their_artifacts_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], below: str
) -> None:
    above = tmp_path / below
    for run in ("run-1", "run-2", "run-10"):
        write_artifact(above / run, "adapter")
    write_artifact(above / "run-2", "merged")
    (above / "run-2" / "provenance.json").write_text("{}")
    (above / "run-3").mkdir()
    assert cli.main(["verify", str(tmp_path)]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "files are as they left" in line]
    names = ["run-1/adapter", "run-2/adapter", "run-2/merged", "run-10/adapter"]
    assert [line.partition(": ")[0] for line in said] == [str(above / name) for name in names]
    weights = above / "run-2" / "merged" / "model-00000.safetensors"
    weights.write_bytes(b"other")
    (above / "run-10" / "adapter" / sums.FILE).unlink()
    assert cli.main(["verify", str(tmp_path)]) == 3
    told = capsys.readouterr()
    assert f"{above / 'run-2/merged'}: {weights.name} was changed" in told.err
    assert f"{above / 'run-10/adapter'}: {sums.FILE} is missing" in told.err
    assert f"{above / 'run-1/adapter'}: all" in told.out
    assert cli.main(["verify", str(tmp_path), "--digest", "sha256:" + "0" * 64]) == 10
    assert f"holds 4 artifacts. Give the folder of one: {above / 'run-1/adapter'}, " in capsys.readouterr().err


def test_needs_no_torch(artifact: Artifact) -> None:
    program = (
        "import sys; from visionft_trainer import cli; code = cli.main(sys.argv[1:]);"
        "heavy = {'torch', 'transformers', 'numpy', 'PIL'} & sys.modules.keys(); sys.exit(code or bool(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "verify", str(artifact.folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def as_layout(artifact: Artifact, folder: Path) -> Path:
    """What `oras copy --to-oci-layout` leaves."""
    from visionft_trainer.artifacts.publish import destination, oci

    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layers = []
    for name, digest in destination.in_order(artifact.folder):
        shutil.copy(artifact.folder / name, blobs / digest)
        size = (blobs / digest).stat().st_size
        layers.append(oci.descriptor(oci.FILE, f"sha256:{digest}", size) | {"annotations": {TITLE: name}})
    content = oci.manifest(artifact, layers)
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    index = {"schemaVersion": 2, "manifests": [oci.descriptor(oci.MANIFEST, f"sha256:{digest}", len(content))]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def test_an_oci_layout(artifact: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = as_layout(artifact, tmp_path / "layout")
    assert cli.main(["verify", str(layout), "--digest", artifact.digest]) == 0
    listed = sums.parse((artifact.folder / sums.FILE).read_bytes())
    blob = layout / "blobs" / "sha256" / listed["model-00000.safetensors"]
    before = blob.read_bytes()
    blob.write_bytes(before[:-1] + b"\0")
    capsys.readouterr()
    assert cli.main(["verify", str(layout)]) == 3
    assert "model-00000.safetensors was changed" in capsys.readouterr().err
    blob.unlink()
    assert cli.main(["verify", str(layout)]) == 3
    blob.symlink_to("/dev/zero")
    assert cli.main(["verify", str(layout)]) == 3
    assert "is not among the layout's blobs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"sha256:', '"sha256:../../'),
        lambda text: "[" * 100_000,
        lambda text: "{}",
        lambda text: '{"manifests": []}',
        lambda text: '{"manifests": [7]}',
    ],
)
def test_a_hostile_layout(
    artifact: Artifact, tmp_path: Path, change: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    layout = as_layout(artifact, tmp_path / "layout")
    (layout / "index.json").write_text(change((layout / "index.json").read_text()))
    assert cli.main(["verify", str(layout)]) == 10
    assert "Traceback" not in capsys.readouterr().err
