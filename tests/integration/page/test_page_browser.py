"""The page in a real browser: accessible, wide and narrow, light and dark, on paper and without a mouse."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from support.browser import chromium, install
from support.run_reports import hostile_report, report
from visionft_trainer.page.render import render

WIDE, PHONE, NARROWEST = 1280, 390, 360  # CSS pixels
LOOKS = [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark")]
HOSTILE = (
    '<script>document.title="owned"</script>"><img src=http://127.0.0.1:9/x onerror="document.title=1">' + "w" * 400
)
# Names of colours: words on what is behind them, and lines that mean something.
WORDS = [
    *((front, back) for front in ("ink", "quiet") for back in ("paper", "card", "wash")),
    *(("ink", back) for back in ("good-wash", "bad-wash", "open-wash", "wrong-wash", "missing-wash")),
    *((tone, f"{tone}-wash") for tone in ("good", "bad", "open")),
    *(("card", tone) for tone in ("good", "bad", "open")),
    ("link", "paper"),
    ("tuned", "paper"),
]
LINES = [*((line, back) for line in ("base", "tuned", "other", "right", "good") for back in ("paper", "card"))]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything on it."""
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(render(*report()), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose every text was written by somebody who means harm, without a place to break a line."""
    file = tmp_path_factory.mktemp("page") / "hostile.html"
    file.write_text(render(*hostile_report(HOSTILE)), encoding="utf-8")
    return file


def opened(browser: Browser, file: Path, width: int = WIDE, scheme: Any = "light") -> Page:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    page.goto(file.as_uri())
    return page


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_nothing(browser: Browser, file: Path, width: int, scheme: str) -> None:
    page = opened(browser, file, width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    page.add_script_tag(path=install().axe)
    found = page.evaluate("axe.run({resultTypes: ['violations', 'incomplete']})")
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    # It cannot see behind the words of charts, and reads no signs: `test_colours` does.
    contrast = [node for each in found["incomplete"] if each["id"] == "color-contrast" for node in each["nodes"]]
    unsure = [node["html"] for node in contrast if not node["html"].startswith(("<text", '<span class="sign"'))]
    assert unsure == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_words_and_lines_can_be_told_from_what_is_behind(browser: Browser, file: Path, scheme: str) -> None:
    page = opened(browser, file, WIDE, scheme)
    names = [*{name for pair in (*WORDS, *LINES) for name in pair}]
    style = "getComputedStyle(document.documentElement)"
    colours = {name: page.evaluate(f"{style}.getPropertyValue('--{name}')") for name in names}
    for pairs, least in ((WORDS, 4.5), (LINES, 3.0)):
        for front, back in pairs:
            assert contrast(colours[front], colours[back]) >= least, (front, back)
    page.close()


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio of two colours such as #1a56b0."""

    def luminance(colour: str) -> float:
        shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("which", ["file", "hostile"])
@pytest.mark.parametrize("width", [NARROWEST, WIDE])
def test_the_page_never_scrolls_sideways(
    browser: Browser, request: pytest.FixtureRequest, which: str, width: int
) -> None:
    page = opened(browser, request.getfixturevalue(which), width)
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


def test_the_page_asks_for_nothing_and_runs_nothing(browser: Browser, hostile: Path) -> None:
    asked: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(hostile.as_uri())
    assert [url for url in asked if not url.startswith("data:image/jpeg;base64,")] == [hostile.as_uri()]
    assert page.evaluate("document.scripts.length") == 0
    assert page.title().startswith("<script>document.title=")
    assert page.locator("h1").inner_text() == HOSTILE
    # What stood in its way if an answer became an element after all.
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\">')")
    page.evaluate("new Promise(done => setTimeout(done))")
    assert page.title() != "1"
    page.close()


def test_the_page_s_own_style_is_let_through(browser: Browser, file: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(file.as_uri())
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 27)"
    page.close()


def test_every_fold_and_every_wide_table_is_reached_by_the_keyboard(browser: Browser, file: Path) -> None:
    page = opened(browser, file, NARROWEST)
    reachable = page.locator("a[href], summary, [tabindex='0']").count()
    page.evaluate("window.met = new Set()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left >= 0")
    for _ in range(reachable):
        shown = page.evaluate(
            "met.add(document.activeElement), getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        )
        assert shown, "what has the focus must be seen to have it"
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            page.keyboard.press("Enter")
        page.keyboard.press("Tab")
    folds = page.evaluate(
        "[...document.querySelectorAll('details')].map(fold => [fold.open, met.has(fold.firstElementChild)])"
    )
    assert folds
    assert all(is_open and was_met for is_open, was_met in folds)
    scrolling = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth && !met.has(e)).length"
    )
    assert scrolling == 0
    page.close()


def test_headings_stand_in_order_below_landmarks(browser: Browser, file: Path) -> None:
    page = opened(browser, file)
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))")
    assert levels[:2] == [1, 2]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [page.locator(landmark).count() for landmark in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]
    targets = page.evaluate("[...document.querySelectorAll('a')].filter(a => !document.querySelector(a.hash)).length")
    assert targets == 0
    page.close()


def test_it_prints_light_and_whole(browser: Browser, file: Path) -> None:
    page = opened(browser, file, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    # What is folded on a screen is there on paper.
    assert page.get_by_text("train.jsonl row 98").is_visible()
    wholes = page.locator("figure, .picture, .card, tr")
    assert set(wholes.evaluate_all("all => all.map(e => getComputedStyle(e).breakInside)")) == {"avoid"}
    paper = page.pdf(prefer_css_page_size=True)
    assert paper.startswith(b"%PDF-")
    assert 5 < len(re.findall(rb"/Type\s*/Page\b", paper)) < 40
    page.close()
