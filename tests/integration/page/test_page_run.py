"""The page and the cards of a run that really trained, made again without its data and model."""

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from PIL import Image
from support.markup import read_html
from support.tiny_data import draw_number, row, write_numbers, write_rows
from support.tiny_models import tiny_qwen2_vl
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, OUTPUT_CLAIM, tiny_run
from visionft_api.run_file import RunFile
from visionft_trainer import cli, pipeline
from visionft_trainer.page.model import RunReport
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop

BASE_CARD = "---\nlicense: other\nlicense_name: tiny\nlicense_link: LICENSE\n---\n# Tiny\n"


def run_of(folder: Path, **evaluation: Any) -> RunFile:
    """Two steps; the manifest is written to `folder`."""
    measured = {
        "metrics": ["cer", "exactMatch"],
        "maxNewTokens": 3,
        "every": 1,
        "reportSamples": 3,
        "gates": ["cer < 1"],
    }
    return tiny_run(
        folder,
        training={"maxSteps": 2, "checkpoints": {"every": 1}},
        evaluation=measured | evaluation,
        output={"pvc": {"claimName": OUTPUT_CLAIM}, "merged": True},
    )


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of claims after a run of two steps."""
    place = tmp_path_factory.mktemp("claims")
    tiny_qwen2_vl(place / MODEL_CLAIM / "tiny")
    (place / MODEL_CLAIM / "tiny" / "README.md").write_text(BASE_CARD)
    data = place / DATA_CLAIM
    write_numbers(data, "train.jsonl", 4)
    draw_number("7", (1400, 900)).save(data / "images" / "large.png")
    write_numbers(data, "validation.jsonl", 3, first=60)
    lines = (data / "validation.jsonl").read_bytes().splitlines()
    write_rows(data, "validation.jsonl", [*lines, row("images/large.png", "7")])
    (place / OUTPUT_CLAIM).mkdir()
    settings = Settings(claims={name: place / name for name in (MODEL_CLAIM, DATA_CLAIM, OUTPUT_CLAIM)})
    pipeline.run(run_of(place), settings, Progress(), Stop(), lambda: datetime(2026, 11, 21, 12, tzinfo=UTC))
    return place


@pytest.fixture(scope="module")
def folder(claims: Path) -> Path:
    return claims / OUTPUT_CLAIM / "tiny" / "run-1"


def test_a_run_ends_with_its_page(folder: Path) -> None:
    known = RunReport.model_validate_json((folder / "report" / "report.json").read_bytes())
    page = read_html((folder / "report" / "report.html").read_text(encoding="utf-8"))
    judged = json.loads((folder / "judgement.json").read_bytes())
    assert known.complete
    assert known.judgement is not None
    assert known.judgement.to_json() == judged
    assert judged["summary"] in page.section("verdict").text
    assert known.steps == known.shipped_step == 2
    assert [point.step for point in known.curve] == [1, 2]
    assert set(known.cost.attempts[0].seconds) >= {"ingest", "load", "baseline", "train", "evaluate", "export"}
    assert known.cost.device == "CPU"
    assert "torch" in known.provenance.packages
    assert [artifact.kind for artifact in known.provenance.artifacts] == ["adapter", "merged"]
    assert known.manifest["evaluation"]["reportSamples"] == 3


def test_its_samples_have_small_pictures_and_both_answers(folder: Path) -> None:
    known = RunReport.model_validate_json((folder / "report" / "report.json").read_bytes())
    answers = {line["row"]: line for line in map(json.loads, (folder / "answers.jsonl").read_text().splitlines())}
    assert len(known.samples.chosen) == 3
    assert known.samples.of == 4
    for sample in known.samples.chosen:
        answer = answers[sample.row]
        assert (sample.file, sample.prompt) == ("validation.jsonl", "Read the number.")
        assert (sample.reference, sample.baseline) == (answer["reference"], answer["baseline"])
        assert (sample.tuned, sample.tuned_scores) == (answer["tuned"], answer["scores"]["tuned"])
        (picture,) = sample.pictures
        kept = Image.open(folder / "samples" / picture.file)
        assert kept.size == (picture.width, picture.height)
        assert max(kept.size) <= 640
    changes = [sample.change for sample in known.samples.chosen]
    assert changes == sorted(changes, key=lambda change: -(change or 0))


def test_the_page_is_made_again_from_the_folder_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("adapter", "merged", "checkpoints", "report"))
    assert cli.main(["report", str(copy), "--out", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/page.html\n{tmp_path}/page.json\n"
    assert (tmp_path / "page.html").read_bytes() == (folder / "report" / "report.html").read_bytes()
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", "elsewhere"]) == 0
    assert (tmp_path / "report.json").read_bytes() == (folder / "report" / "report.json").read_bytes()
    assert not (copy / "report").exists()


def test_a_run_that_failed_has_a_page_of_what_is_known(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "failed"
    left = ("result.json", "exported.json", "judgement.json", "answers.jsonl", "samples", "report", "adapter", "merged")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(*left))
    (copy / "cost.json").write_text("{broken")
    assert cli.main(["report", str(copy), "--out", str(tmp_path / "failed.html")]) == 0
    page = read_html((tmp_path / "failed.html").read_text(encoding="utf-8"))
    assert "Not complete" in page.section("verdict").text
    assert "cer < 1 was not measured" in page.section("verdict").text
    assert page.section("curves").find("svg", class_="curves")  # from the newest checkpoint
    assert "4" in page.section("data").table("What is in the data")["Rows that are used"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("judgement.json", "{"),
        ("judgement.json", '{"metrics": ["ofALaterVersion"], "samples": 3}'),
        ("judgement.json", '{"metrics": ["cer"], "samples": 3, '
                           '"tuned": {"figures": {}, "samples": 3, "seconds": 1, "tokens": 1}}'),
        ("data-report.json", "[]"),
        ("result.json", ""),
    ],
)  # fmt: skip
def test_a_damaged_file_is_told_and_the_rest_is_shown(
    name: str, content: str, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "damaged"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("adapter", "merged", "checkpoints"))
    (copy / name).write_text(content)
    assert cli.main(["report", str(copy), "--out", str(tmp_path / "page.html")]) == 0
    assert f"{name} cannot be read" in caplog.text
    assert f"{name} cannot be read" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_samples_whose_pictures_were_not_copied_are_said_to_lack_them(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "bare"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("adapter", "merged", "checkpoints", "samples"))
    assert cli.main(["report", str(copy), "--out", str(tmp_path / "page.html")]) == 0
    assert "samples/samples.json is missing or cannot be read" in caplog.text
    part = read_html((tmp_path / "page.html").read_text(encoding="utf-8")).section("samples")
    assert "samples/samples.json is missing or cannot be read" in part.text
    assert len(part.find("article")) == 3
    assert "samples/samples.json" not in (folder / "report" / "report.html").read_text(encoding="utf-8")


def test_other_gates_judge_a_complete_run_anew_on_its_page(claims: Path, tmp_path: Path) -> None:
    copy = tmp_path / OUTPUT_CLAIM
    shutil.copytree(claims / OUTPUT_CLAIM, copy)
    settings = Settings(claims={MODEL_CLAIM: claims / MODEL_CLAIM, DATA_CLAIM: claims / DATA_CLAIM, OUTPUT_CLAIM: copy})
    pipeline.run(run_of(tmp_path, gates=["exactMatch > 0.99"]), settings, Progress(), Stop())
    result = json.loads((copy / "tiny" / "run-1" / "result.json").read_bytes())
    assert result["evaluation"]["verdict"] == "Failed"
    assert [clause.split()[0] for clause in result["failedGates"]] == ["exactMatch"]
    assert cli.main(["report", str(copy / "tiny" / "run-1"), "--out", str(tmp_path / "page.html")]) == 0
    verdict = read_html((tmp_path / "page.html").read_text(encoding="utf-8")).section("verdict")
    (gate,) = verdict.find("li")
    assert gate.text.startswith("✗ exactMatch > 0.99 does not hold: exactMatch is 0")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "nowhere is no folder. Give the folder that `run` has written."),
        (
            "results/tiny",
            "tiny is not the folder of a run: it has no owner.json. Give the folder that `run` has written, such as",
        ),
    ],
)
def test_what_is_no_run_is_told(claims: Path, place: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(claims / place)]) == 10
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("out", "code", "said"),
    [
        (".", 10, "--out .: is a folder. Name the page's file, such as report.html."),
        ("page.json", 10, "--out page.json: the figures go there. Name the page's file, such as page.html."),
        ("file/page.html", 14, "--out file/page.html cannot be written"),
    ],
)
def test_a_wrong_place_for_the_page_is_told(
    folder: Path, out: str, code: int, said: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert cli.main(["report", str(folder), "--out", out]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize("kind", ["adapter", "merged"])
def test_the_card_is_read_by_the_hub_s_library(folder: Path, kind: str) -> None:
    card = ModelCard.load(folder / kind / "README.md")
    known = RunReport.model_validate_json((folder / "report" / "report.json").read_bytes())
    assert known.judgement is not None
    assert known.judgement.tuned is not None
    assert card.data.pipeline_tag == "image-text-to-text"
    assert card.data.library_name == {"adapter": "peft", "merged": "transformers"}[kind]
    assert (card.data.license, card.data.license_name) == ("other", "tiny")
    assert {result.metric_type: result.metric_value for result in card.data.eval_results} == {
        name: round(figure.value, 4) for name, figure in known.judgement.tuned.figures.items()
    }
    for figure in known.judgement.tuned.figures.values():
        assert f"{figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})" in card.text
    assert known.data is not None
    assert known.data.digest in card.text
    sums = (folder / kind / "SHA256SUMS").read_text()
    assert "README.md" in sums


@pytest.mark.parametrize("kind", ["adapter", "merged"])
def test_the_card_s_example_works(
    claims: Path,
    folder: Path,
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (folder / kind / "README.md").read_text(), re.DOTALL)
    draw_number("60").save(tmp_path / "picture.png")
    (tmp_path / "path/of/the/base").mkdir(parents=True)
    (tmp_path / "path/of/the/base/model").symlink_to(claims / MODEL_CLAIM / "tiny")
    monkeypatch.chdir(tmp_path)
    exec(program.replace('folder = "."', f'folder = "{folder / kind}"'), {})
    answers = {line["row"]: line for line in map(json.loads, (folder / "answers.jsonl").read_text().splitlines())}
    assert capsys.readouterr().out.rstrip("\n") == answers[1]["tuned"].rstrip("\n")
