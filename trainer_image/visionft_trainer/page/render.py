"""`RunReport` and its pictures to one HTML file that asks nothing of any other place.

Its content security policy lets it load nothing and run nothing, whatever stands in an answer.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from visionft_api.shown import shorten

from visionft_trainer.data.report.table import lines
from visionft_trainer.evaluation.conclude import spoken
from visionft_trainer.page import charts, cost, differences, figures, samples
from visionft_trainer.page.model import RunReport
from visionft_trainer.page.view import (
    common_prompt,
    dot_charts,
    headline,
    key_figures,
    metric_rows,
    vision_chart,
    vision_rows,
)

TEMPLATE: Final = "report.html.j2"
STYLE: Final = "style.css"
FOLDED_CHARACTERS = 600  # a longer answer is folded
MOST_CHARACTERS = 10_000  # of an answer on the page; report.json has all of it
TABLE_POINTS = 30  # of a curve's table; report.json has all of them
CELL_CHARACTERS = 160  # of a cell of the table about the data
NAMED_ROWS = 30  # of a list of rows in the page; data-report.json has more


def render(report: RunReport, pictures: Mapping[str, bytes]) -> str:
    """The page. `pictures` are the small copies by file name; one that is missing is left out."""
    style = (files(__package__) / "templates" / STYLE).read_text(encoding="utf-8")
    splits = [split for split in (report.data.train, report.data.validation) if split] if report.data else []
    rows = report.data.train.rows if report.data else 0
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            report=report,
            judgement=report.judgement,
            headline=headline(report),
            key_figures=key_figures(report),
            dot_charts=dot_charts(report),
            metric_rows=metric_rows(report),
            vision_chart=vision_chart(report),
            vision_rows=vision_rows(report),
            common_prompt=common_prompt(report),
            loss_chart=charts.loss_chart(report.curve, report.shipped_step),
            rate_chart=charts.rate_chart(report.curve),
            curve_table=_few(report.curve),
            splits=splits,
            data_lines=[
                (title, [shorten(cell(split), CELL_CHARACTERS) for split in splits]) for title, cell in lines(splits)
            ]
            if splits
            else [],
            stages=[
                (figures.STAGE_TITLES[stage], seconds) for stage, seconds in cost.seconds_by_stage(report.cost).items()
            ],
            seconds=cost.total_seconds(report.cost),
            gpu_hours=cost.gpu_hours(report.cost),
            samples_per_second=cost.samples_per_second(report.cost, rows),
            manifest=yaml.safe_dump({"spec": report.manifest}, sort_keys=False, allow_unicode=True, width=100),
            pictures={name: base64.b64encode(data).decode("ascii") for name, data in pictures.items()},
            style=Markup(style),  # noqa: S704 - our own file
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii"),
        )
    )


@lru_cache(1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(
        number=figures.number,
        signed=figures.signed,
        interval=figures.interval,
        count=figures.count,
        counted=figures.counted,
        small=figures.small,
        duration=figures.duration,
        moment=figures.moment,
        filesize=figures.size,
        spoken=spoken,
    )
    environment.globals.update(
        compare=differences.compare,
        is_marked=differences.is_marked,
        FOLDED=FOLDED_CHARACTERS,
        MOST=MOST_CHARACTERS,
        NAMED=NAMED_ROWS,
        NOT_KEPT=samples.NOT_KEPT,
    )
    return environment


def _finalize(value: Any) -> Any:
    """Every text passes here: what could not be seen, or would turn its neighbours around, is made plain."""
    return figures.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _few(points: list[Any]) -> list[Any]:
    """Some of the curve for its table: measurements first, then evenly spread steps."""
    stride = -(-len(points) // TABLE_POINTS) or 1
    return [point for index, point in enumerate(points) if index % stride == 0 or index == len(points) - 1]
