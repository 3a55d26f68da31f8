"""The page: what stands on it is what report.json says, and nothing that somebody wrote is obeyed."""

import io
import json
import random
from typing import Any

import pytest
from PIL import Image
from support.markup import Element, read_html
from support.run_reports import METRICS, data, hostile_report, judgement, measured, report, samples
from visionft_api.status import Resolved, Stage
from visionft_trainer.data.report.model import DataReport
from visionft_trainer.evaluation.judgement import Figure, Judgement
from visionft_trainer.page import pictures, stage
from visionft_trainer.page.cost import of_run
from visionft_trainer.page.model import Attempt, GateLine, Provenance, RunReport, Sample, SamplePicture, Samples
from visionft_trainer.page.render import render

HOSTILE = "<script>alert(1)</script>\"><img src=http://evil.example/x onerror=alert(2)>'{{ 7 * 7 }}</style></title>&lt;"
LOADING = ("src", "srcset", "href", "xlink:href", "action", "poster", "data", "background", "formaction", "style")


def page_of(**changes: Any) -> Element:
    made, kept = report(**changes)
    return read_html(render(made, kept))


def as_json(made: RunReport) -> dict[str, Any]:
    return json.loads(stage.to_json(made))  # type: ignore[no-any-return]


def text_of(figure: dict[str, float], *, signed: bool = False) -> str:
    """As the page should write it, from the JSON alone."""
    texts = [f"{figure['value']:{'+' if signed else ''}.4f}", f"{figure['low']:.4f}", f"{figure['high']:.4f}"]
    return "{} {} to {}".format(*(text.replace("-", "\u2212") for text in texts))


# --- what it says ---


def test_every_figure_on_the_page_is_that_of_the_json() -> None:
    made, kept = report()
    page, known = read_html(render(made, kept)), as_json(made)["judgement"]
    rows = page.section("metrics").table("Figures with their 95 % intervals")
    ways = {"Base model": known["baseline"]["figures"], "Tuned model": known["tuned"]["figures"]}
    ways |= {f"Base, {other['name']}": other["measured"]["figures"] for other in known["alternatives"]}
    for label, figures in ways.items():
        assert rows[label] == [text_of(figures[name]) for name in known["metrics"]]
    assert rows["Tuned \u2212 base"] == [text_of(known["delta"][name], signed=True) for name in known["metrics"]]
    for other in known["alternatives"]:
        cells = [text_of(other["deltaToTuned"][name], signed=True) for name in known["metrics"]]
        assert rows[f"Tuned \u2212 {other['name']}"] == cells

    rows = page.section("vision").table("With and without the right picture")
    for label, use in (("Base", known["visionBaseline"]), ("Tuned", known["visionTuned"])):
        assert rows[f"{label}, right picture"] == [text_of(use["intact"][name]) for name in known["metrics"]]
        assert rows[f"{label}, another row's"] == [text_of(use["shuffled"][name]) for name in known["metrics"]]
        assert rows[f"{label}, grey"] == [text_of(use["blank"][name]) for name in known["metrics"]]
        reliance = [text_of(use["reliance"][name], signed=True) for name in known["metrics"]]
        assert rows[f"{label}, reliance on the picture"] == reliance
        assert f"{use['effectiveRank']:.2f}" in page.section("vision").text

    rows = page.section("general").table("Figures on the general set, with their 95 % intervals")
    assert rows["Base model"] == [text_of(known["generalBaseline"]["figures"][name]) for name in known["metrics"]]
    assert rows["Tuned model"] == [text_of(known["generalTuned"]["figures"][name]) for name in known["metrics"]]
    assert rows["Tuned \u2212 base"] == [text_of(known["generalDelta"][name], signed=True) for name in known["metrics"]]


def test_charts_say_their_figures_in_words() -> None:
    page = page_of()
    (chart, _) = page.section("metrics").find("svg", class_="dots")
    (description,) = chart.find("desc")
    assert description.text.startswith("Lower is better. Base model 0.6425 (0.6125 to 0.6725); Base, prompt 1 0.5812")
    (losses, _) = page.section("curves").find("svg", class_="curves")
    (description,) = losses.find("desc")
    assert "The weights of step 525 ship." in description.text
    for svg in page.find("svg"):
        assert svg.has({"aria-hidden": "true"}) or svg.has({"role": "img"}) or svg.attributes.get("overflow")


def test_the_verdict_names_conclusion_and_gates() -> None:
    verdict = page_of().section("verdict")
    assert verdict.find("h2")[0].text.endswith("Better")
    assert [gate.text for gate in verdict.find("li")] == [
        "✓ cer <= 0.05 holds",
        "✗ exactMatch >= 0.9 does not hold: exactMatch is 0.85, the gate is exactMatch >= 0.9",
    ]


@pytest.mark.parametrize(
    ("conclusion", "verdict", "title"),
    [
        ("Better", "Failed", "Better, but a gate does not hold"),
        ("Worse", "NoGates", "Worse"),
        ("NoDifference", "Passed", "No difference"),
        ("PromptSuffices", "Passed", "A prompt does as well"),
        (None, "Passed", "Measured once"),
    ],
)
def test_the_verdict_is_said_in_words(conclusion: Any, verdict: Any, title: str) -> None:
    judged = judgement().model_copy(update={"conclusion": conclusion, "verdict": verdict})
    assert page_of(judgement=judged).section("verdict").find("h2")[0].text.endswith(title)


def test_how_many_rows_were_asked_without_the_right_picture_is_told_where_it_was_not_all() -> None:
    assert "The same questions, those of 64 rows, asked with" in page_of().section("vision").text
    judged = judgement().model_copy(update={"samples": 64})
    assert "The same questions, asked with" in page_of(judgement=judged).section("vision").text


@pytest.mark.parametrize(("epoch", "rows"), [(0.6, "2,880 rows"), (1.5, "4,800 rows"), (0.0, "4,800 rows")])
def test_rows_that_training_never_met_are_not_said_to_be_trained_on(epoch: float, rows: str) -> None:
    made, _ = report()
    reached = [attempt.model_copy(update={"last_epoch": epoch}) for attempt in made.cost.attempts]
    page = page_of(cost=made.cost.model_copy(update={"attempts": reached}))
    assert page.section("verdict").terms()["Trained on"].startswith(rows)


def test_warnings_of_data_and_of_the_result_stand_together() -> None:
    warnings = page_of().section("warnings").find("strong")
    assert [warning.text for warning in warnings] == ["GeneralSetWorse", "RowsDropped"]


def test_dropped_rows_are_named_with_why() -> None:
    section = page_of().section("data")
    assert section.table("Training rows left out, by why") == {
        "Why": ["Rows"],
        "broken image": ["3"],
        "too many tokens": ["12"],
    }
    assert "train.jsonl row 98: too many tokens: 2,113, the limit is 2,048" in section.text


def test_an_answer_that_no_two_rows_share_is_not_called_common() -> None:
    title = "What is in the data"
    assert page_of().section("data").table(title)["Most common answer"] == ["'5831', 0%", "'5831', 2%"]
    written = data().model_dump()
    for split in ("train", "validation"):
        written[split]["answers"]["top"][0]["rows"] = 1
    once = DataReport.model_validate(written)
    assert "Most common answer" not in page_of(data=once).section("data").table(title)


def test_cost_is_told_by_stage_and_in_gpu_hours() -> None:
    section = page_of().section("cost")
    assert section.table("Time in each stage")["Training"][0] == "40 min 10 s"
    figures = section.terms()
    assert figures["GPU hours"] == "1.45"  # two GPUs for 2,607.75 s
    assert figures["Training samples a second"] == "4.0"  # 4,800 rows twice in 2,410 s
    assert figures["Answering, base model"] == "112.0 tokens a second (1,400 tokens in 12.5 s)"
    assert figures["Device"] == "2 \u00d7 NVIDIA H200"
    assert figures["Peak memory of one GPU"] == "57 GiB"


def test_what_was_taken_over_is_told_as_the_earlier_runs() -> None:
    made, _ = report()
    attempts = [Attempt(start_time=made.cost.attempts[0].start_time, seconds={Stage.EXPORT: 5.0})]
    taken = of_run(made.cost, 1).model_copy(update={"attempts": [*of_run(made.cost, 1).attempts, *attempts]})
    page = page_of(run=2, trained_in=1, cost=taken)
    told = page.section("cost").terms()["Processes"]
    assert told == "2, 1 of them of earlier runs: what run 1 trained was taken over"
    assert "of it training 40 min 10 s, in run 1" in page.text


def test_provenance_is_told_with_digests_and_the_manifest() -> None:
    made, kept = report()
    section = read_html(render(made, kept)).section("provenance")
    for artifact in made.provenance.artifacts:
        assert artifact.uri in section.text
        assert artifact.digest is not None
        assert artifact.digest in section.text
    assert "learningRate: 5e-3" in section.find("pre")[0].raw
    assert section.terms()["torch"] == "2.15.0"


def test_samples_stand_in_order_with_pictures_and_both_answers() -> None:
    made, kept = report()
    section = read_html(render(made, kept)).section("samples")
    assert [heading.text for heading in section.find("h3")] == ["Most improved", "Typical", "Most worsened"]
    cards = section.find("article")
    assert [card.find("h4")[0].text.split(" ")[2] for card in cards] == [str(s.row) for s in made.samples.chosen]
    assert all(len(card.find("img")) == len(s.pictures) for card, s in zip(cards, made.samples.chosen, strict=True))
    assert "better by 1.00" in cards[0].text
    assert "By the character error rate of the row alone, " in section.text
    assert "worse by 0.53" in cards[-1].text


def test_differences_are_marked_within_the_answer() -> None:
    sample = Sample(file="a", row=1, group="typical", reference="3.20 EUR", tuned="3.70 EU", baseline="none of it")
    page = page_of(samples=Samples(metric="cer", of=1, chosen=[sample]))
    (_, base, tuned) = page.section("samples").find("div", class_="answer")
    assert [(mark.tag, mark.text) for mark in tuned.find("del") + tuned.find("ins")] == [
        ("del", "7"),
        ("ins", "2"),
        ("ins", "R"),
    ]
    assert [mark.text for mark in base.find("del")] == ["none of it"]


def test_boxes_are_drawn_where_they_are() -> None:
    section = page_of().section("samples")
    (right,) = section.find("svg", class_="boxes")[0].find("rect", class_="right")
    assert [right.attributes[name] for name in ("x", "y", "width", "height")] == ["100.0", "200.0", "400.0", "600.0"]
    assert "base model: none written" in section.text


def test_a_question_that_all_rows_share_is_told_once() -> None:
    section = page_of().section("samples")
    assert section.raw.count("Read the digits.") == 1


# --- what is not there ---


def bare(**changes: Any) -> RunReport:
    return RunReport(
        name="x", namespace="n", run=3, complete=True, provenance=Provenance(resolved=Resolved()), **changes
    )


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (bare(), "Trained, not measured"),
        (bare(), "There were no validation rows"),
        (bare(manifest={"dataset": {"validation": {"pvc": {}}}}), "judgement.json is missing or cannot be read"),
        (bare().model_copy(update={"complete": False}), "Not complete"),
        (bare(metrics=METRICS, judgement=Judgement(metrics=["cer"], samples=0)), "Trained, not measured"),
        (bare(data=data().model_copy(update={"validation": None, "leakage": None})), "Trained, not measured"),
        (bare(metrics=METRICS, judgement=judgement().model_copy(update={"baseline": None, "delta": {}})), "Better"),
        (
            bare(metrics=METRICS, judgement=Judgement(metrics=["cer"], samples=2, tuned=measured(0.1, 0.2))),
            "Measured once",
        ),
        (bare(gates=[GateLine(gate="cer <= 0.1")]), "was not measured"),
        (bare(curve=[]), "no step was trained"),
    ],
)
def test_what_is_missing_is_said(made: RunReport, said: str) -> None:
    assert said in read_html(render(made, {})).text


def test_a_picture_that_is_gone_is_said() -> None:
    made, _ = report()
    assert read_html(render(made, {})).section("samples").text.count("The picture was not kept.") == 28


# --- what somebody else wrote ---


def test_nothing_that_somebody_wrote_becomes_an_element() -> None:
    page = read_html(render(*hostile_report(HOSTILE)))
    assert not page.find("script")
    assert {image.attributes["src"][:23] for image in page.find("img")} == {"data:image/jpeg;base64,"}
    assert not [name for element in page.find() for name in element.attributes if name.startswith("on")]
    assert page.find("h1")[0].raw == HOSTILE
    assert "{{ 7 * 7 }}" in page.section("samples").text


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = render(*hostile_report(HOSTILE))
    page = read_html(text)
    for element in page.find():
        for name in LOADING:
            assert element.attributes.get(name, "#").startswith(("#", "data:image/jpeg;base64,")), (element.tag, name)
    assert not page.find("link")
    (style,) = page.find("style")
    assert "url(" not in style.raw
    assert "@import" not in style.raw
    (policy,) = [meta for meta in page.find("meta") if "http-equiv" in meta.attributes]
    assert policy.attributes["content"].startswith("default-src 'none'; img-src data:; style-src 'sha256-")


def test_characters_that_cannot_be_seen_are_shown() -> None:
    text = "a\x00b\x1b[31m\x7f\u202egnp.exe\x85"
    page = read_html(render(*hostile_report(text)))
    assert page.find("h1")[0].raw == "a\u2400b\u241b[31m\u2421[U+202E]gnp.exe[U+0085]"


def test_a_very_long_answer_is_folded_and_bounded() -> None:
    sample = Sample(file="a", row=1, group="typical", reference="x" * 50_000, tuned="<" * 300_000, baseline="y" * 700)
    page = page_of(samples=Samples(metric="cer", of=1, chosen=[sample]))
    (right, base, tuned) = page.section("samples").find("details", class_="long")
    assert "all 300,000 characters" in tuned.text
    assert len(tuned.raw) < 11_000
    assert len(right.raw) < 11_000
    assert "report.json has them all" in right.text
    assert "Too long for its differences to be marked." in base.text


def test_right_to_left_answers_find_their_own_direction() -> None:
    answers = page_of().section("samples").find("div", class_="answer")
    assert {answer.attributes["dir"] for answer in answers} == {"auto"}


def test_a_figure_without_an_end_is_drawn() -> None:
    judged = judgement()
    wide = measured(0.5, 0.5)
    figures = {"cer": Figure(value=3.0, low=0.1, high=250.0), "exactMatch": Figure(value=0.0, low=0.0, high=0.0)}
    page_of(judgement=judged.model_copy(update={"tuned": wide.model_copy(update={"figures": figures})}))


# --- how large it is ---


def test_24_samples_of_noise_stay_below_5_mb() -> None:
    noise = random.Random(1)
    shown, kept = samples(24)
    chosen = []
    budget = pictures.budget_for(24)
    image = Image.frombytes("RGB", (640, 480), noise.randbytes(640 * 480 * 3))
    small, copy = pictures.shrink(image, budget)
    for place, sample in enumerate(shown.chosen):
        name = f"{place}.jpg"
        kept[name] = small
        size = {"width": copy.width, "height": copy.height, "original_width": 640, "original_height": 480}
        chosen.append(
            sample.model_copy(
                update={"pictures": [SamplePicture(file=name, **size)], "tuned": "z" * 50_000, "baseline": "y" * 50_000}
            )
        )
    made, _ = report(samples=shown.model_copy(update={"chosen": chosen}))
    assert len(render(made, kept).encode()) < 5_000_000


@pytest.mark.parametrize("count", [1, 24, 200])
def test_pictures_keep_within_their_budget(count: int) -> None:
    noise = random.Random(count)
    image = Image.frombytes("RGB", (900, 700), noise.randbytes(900 * 700 * 3))
    data, copy = pictures.shrink(image, pictures.budget_for(count))
    assert len(data) * count <= pictures.PICTURES_BYTES
    assert max(copy.size) <= pictures.LONGEST_SIDE
    assert Image.open(io.BytesIO(data)).size == copy.size


def test_a_small_picture_is_kept_as_it_is() -> None:
    data, copy = pictures.shrink(Image.new("RGB", (96, 32)), pictures.budget_for(24))
    assert copy.size == Image.open(io.BytesIO(data)).size == (96, 32)
