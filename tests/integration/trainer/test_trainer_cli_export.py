"""`visionft-trainer export`: what a run has trained becomes the very artifacts that the run would have written."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.command import visionft_trainer
from support.tiny_models import TINY_MODELS
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, OUTPUT_CLAIM, tiny_run, write_manifest
from visionft_api.run_file import RunFile
from visionft_trainer import pipeline
from visionft_trainer.artifacts import companions, export_command, merged, sums, verify
from visionft_trainer.artifacts.export_command import Exported, Wanted
from visionft_trainer.errors import BadConfigError, BadModelError, StorageFailedError
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop

SECTIONS: dict[str, Any] = {"output": {"merged": True}, "training": {"checkpoints": {"every": 2, "keep": 3}}}
FULL: dict[str, Any] = {
    "model": {"quantization": "none"},
    "adapter": {"method": "full", "rank": None},
    "output": {"adapter": False, "merged": True},
    "dataset": {"validation": None},
}


class Bench:
    """A run's folder that the test may change, and `export` over it."""

    def __init__(self, tmp_path: Path, place: Path, finished: Path) -> None:
        self.output = tmp_path / OUTPUT_CLAIM
        self.out = tmp_path / "out"
        self.models = place / MODEL_CLAIM
        shutil.copytree(finished, self.output)
        self._tmp_path = tmp_path

    @property
    def run(self) -> Path:
        return self.output / "tiny" / "run-1"

    def interrupt(self) -> None:
        """As if the run had been stopped in its training."""
        for name in ("adapter", "merged"):
            shutil.rmtree(self.run / name, ignore_errors=True)
        (self.run / "result.json").unlink()

    @property
    def settings(self) -> Settings:
        return Settings(claims={MODEL_CLAIM: self.models, OUTPUT_CLAIM: self.output})

    def export(
        self,
        where: str | None = None,
        *,
        adapter: bool = False,
        merged: bool = False,
        sections: dict[str, Any] = SECTIONS,
    ) -> Exported:
        wanted = Wanted(adapter=adapter, merged=merged, out=self.out)
        return export_command.export(run_of(self._tmp_path, sections), self.settings, Progress(), where, wanted)


def run_of(folder: Path, sections: dict[str, Any]) -> RunFile:
    return tiny_run(folder, **sections)


def train(folder: Path, place: Path, sections: dict[str, Any]) -> Path:
    output = folder / OUTPUT_CLAIM
    output.mkdir()
    settings = Settings(claims={MODEL_CLAIM: place / MODEL_CLAIM, DATA_CLAIM: place / DATA_CLAIM, OUTPUT_CLAIM: output})
    pipeline.run(run_of(folder, sections), settings, Progress(), Stop())
    return output


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, place: Path) -> Path:
    """The output claim after a run that came to its end."""
    return train(tmp_path_factory.mktemp("finished"), place, SECTIONS)


@pytest.fixture
def bench(tmp_path: Path, place: Path, finished: Path) -> Bench:
    return Bench(tmp_path, place, finished)


ABOUT = ("provenance.json", "SHA256SUMS", "README.md")


def contents(folder: Path) -> dict[str, str]:
    """Digests of all files but those that say when the artifact was written, and what was measured."""
    return {name: found for name, found in sums.of_folder(folder).items() if name not in ABOUT}


def made(exported: Exported) -> dict[str, dict[str, str]]:
    return {artifact.kind: contents(artifact.folder) for artifact in exported.artifacts}


def of_run(output: Path) -> dict[str, dict[str, str]]:
    return {kind: contents(output / "tiny" / "run-1" / kind) for kind in ("adapter", "merged")}


def test_interrupted_run_gives_what_it_would_have_written(bench: Bench, finished: Path) -> None:
    bench.interrupt()
    exported = bench.export(adapter=True, merged=True)
    assert exported.origin == "run-1/checkpoint-6"
    assert made(exported) == of_run(finished)
    for artifact in exported.artifacts:
        assert verify.verify(verify.FolderCopy(artifact.folder), artifact.digest).problem is None
        card = (artifact.folder / "README.md").read_text()
        assert "library_name" in card
        assert "model-index" not in card, "the figures of a run are not those of its checkpoint"


def test_an_earlier_checkpoint_by_name_and_by_path(bench: Bench, finished: Path) -> None:
    named = made(bench.export("run-1/checkpoint-4", adapter=True))
    assert named["adapter"] != of_run(finished)["adapter"]
    shutil.rmtree(bench.out)
    assert made(bench.export(str(bench.run / "checkpoints" / "checkpoint-4"), adapter=True)) == named


def test_complete_run_is_copied_or_merged_from_its_adapter(bench: Bench, finished: Path) -> None:
    shutil.rmtree(bench.run / "merged")
    shutil.rmtree(bench.run / "checkpoints")
    exported = bench.export(adapter=True, merged=True)
    assert exported.origin == "run-1"
    assert made(exported) == of_run(finished)


def test_merged_alone_leaves_no_adapter(bench: Bench, finished: Path) -> None:
    bench.interrupt()
    assert made(bench.export(merged=True)) == {"merged": of_run(finished)["merged"]}
    assert [path.name for path in bench.out.iterdir()] == ["merged"]


def test_full_fine_tuning(tmp_path: Path, place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    finished = train(tmp_path_factory.mktemp("full"), place, FULL)
    bench = Bench(tmp_path, place, finished)
    bench.interrupt()
    exported = bench.export(merged=True, sections=FULL)
    assert made(exported)["merged"] == contents(finished / "tiny" / "run-1" / "merged")
    with pytest.raises(BadConfigError, match=r"leaves no adapter\. Ask for --merged alone"):
        bench.export(adapter=True, sections=FULL)


def test_files_do_not_depend_on_how_was_padded_before(place: Path, tmp_path: Path) -> None:
    from transformers import AutoProcessor

    def written(name: str) -> dict[str, str]:
        (tmp_path / name).mkdir()
        companions.write(processor, None, tmp_path / name)
        return contents(tmp_path / name)

    processor: Any = AutoProcessor.from_pretrained(place / MODEL_CLAIM / "tiny")
    plain = written("plain")
    processor.tokenizer.backend_tokenizer.enable_padding(length=7)
    processor.tokenizer.backend_tokenizer.enable_truncation(9)
    assert written("padded") == plain


def test_a_torn_checkpoint_is_passed_over(bench: Bench) -> None:
    bench.interrupt()
    weights = bench.run / "checkpoints" / "checkpoint-6" / "trainable.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    assert bench.export(adapter=True).origin == "run-1/checkpoint-4"
    with pytest.raises(BadConfigError, match=r"checkpoint-6 is damaged: trainable\.safetensors is not as it was"):
        bench.export("run-1/checkpoint-6", merged=True)


def test_damaged_artifact_is_not_handed_on(bench: Bench) -> None:
    (bench.run / "merged" / "config.json").write_text("{}")
    with pytest.raises(StorageFailedError, match=r"merged is not as the run wrote it .* --from RUN/checkpoint-STEP"):
        bench.export(merged=True)
    assert not list(bench.out.iterdir())


def test_full_disk_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    bench.interrupt()
    monkeypatch.setattr(merged, "write", lambda model, *_: fails())
    with pytest.raises(StorageFailedError, match="cannot be written"):
        bench.export(merged=True)
    assert not list(bench.out.iterdir())


def no_run(bench: Bench) -> None:
    shutil.rmtree(bench.output / "tiny")


def no_checkpoint(bench: Bench) -> None:
    bench.interrupt()
    shutil.rmtree(bench.run / "checkpoints")


def already_there(bench: Bench) -> None:
    (bench.out / "merged").mkdir(parents=True)


def a_file(bench: Bench) -> None:
    bench.out.write_text("")


def nothing(bench: Bench) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "where", "complaint"),
    [
        (no_run, None, r"no run has begun in .*tiny\. Start it: visionft-trainer run"),
        (no_checkpoint, None, "run-1 has no sound checkpoint yet. Let it train for"),
        (a_file, None, "is a file. Name a folder"),
        (already_there, None, "merged is there already. Choose another folder, or remove"),
        (nothing, "run-7", "run-7 is not the folder of a run. There are run-1"),
        (nothing, "run-1/checkpoint-5", "no checkpoint-5. It has: checkpoint-2, checkpoint-4, checkpoint-6"),
        (nothing, "elsewhere", "--from elsewhere: there is no such folder. Write it as run-1"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_exported(bench: Bench, prepare: Any, where: str | None, complaint: str) -> None:
    prepare(bench)
    with pytest.raises(BadConfigError, match=complaint):
        bench.export(where, merged=True)


def test_another_manifest_than_the_run_began_with(bench: Bench) -> None:
    other = SECTIONS | {"adapter": {"rank": 8}}
    with pytest.raises(BadConfigError, match="holds run-1, begun with another manifest than this"):
        bench.export(merged=True, sections=other)
    with pytest.raises(BadConfigError, match="checkpoint-6 was trained with another manifest"):
        bench.export("run-1/checkpoint-6", merged=True, sections=other)


def test_another_base_model(bench: Bench) -> None:
    other = SECTIONS | {"model": {"uri": f"pvc://{MODEL_CLAIM}/other"}}
    shutil.copytree(bench.models / "tiny", bench.models / "other", dirs_exist_ok=True)
    shutil.rmtree(bench.run / "merged")
    with pytest.raises(BadModelError, match=r"pvc://models/other is not what .*adapter was trained on, .*models/tiny"):
        bench.export("run-1", merged=True, sections=other)


@pytest.mark.parametrize("from_adapter", [True, False])
def test_a_base_model_of_another_family(bench: Bench, tmp_path: Path, from_adapter: bool) -> None:
    """The same place holds another model now."""
    bench.models = tmp_path / "models"
    TINY_MODELS["LLaVA 1.5"](bench.models / "tiny")
    if from_adapter:
        shutil.rmtree(bench.run / "merged")
    else:
        bench.interrupt()
    with pytest.raises(BadModelError, match=r"do not fit pvc://models/tiny, a LLaVA 1.5 model"):
        bench.export(merged=True)
    assert not bench.out.exists() or not list(bench.out.iterdir())


def test_the_program_prints_where_and_which(bench: Bench, tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "tiny.json", **SECTIONS)
    claims = [f"--pvc={MODEL_CLAIM}={bench.models}", f"--pvc={OUTPUT_CLAIM}={bench.output}"]
    words = ["export", manifest, "--out", bench.out, *claims]
    done = visionft_trainer(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("from run-1\n")
    for kind in ("adapter", "merged"):
        assert f"{kind}: {bench.out / kind}\n  {sums.digest_of(bench.out / kind)}, " in done.stdout
    again = visionft_trainer(*words)
    assert again.returncode == 10
    assert "is there already" in again.stderr
    assert "Traceback" not in again.stderr
