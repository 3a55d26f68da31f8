"""Settings, logs and names: what an administrator sets and reads."""

from __future__ import annotations

import io
import json
import logging

import pytest
from visionft_operator import logs
from visionft_operator.freshness import STALE_SECONDS
from visionft_operator.names import child_name, resource_of_child
from visionft_operator.settings import MAX_RESYNC_SECONDS, Endpoint, Settings, SettingsError


def test_nothing_set_is_the_default() -> None:
    assert Settings.from_env({}) == Settings()


def test_everything_can_be_set() -> None:
    settings = Settings.from_env(
        {
            "VISIONFT_NAMESPACE": "ml",
            "VISIONFT_REPORT_BIND": "[::]:9443",
            "VISIONFT_METRICS_BIND": ":9090",
            "VISIONFT_REPORT_URL": "https://reports.ml.svc:9443/",
            "VISIONFT_STATUS_INTERVAL_SECONDS": "2.5",
            "VISIONFT_LOG_LEVEL": "debug",
        }
    )
    assert settings.report_bind == Endpoint("::", 9443)
    assert settings.metrics_bind == Endpoint("0.0.0.0", 9090)
    assert settings.report_url == "https://reports.ml.svc:9443"
    assert settings.status_interval_seconds == 2.5
    assert settings.log_level == "DEBUG"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VISIONFT_REPORT_BIND", "8443x"),
        ("VISIONFT_METRICS_BIND", "0.0.0.0:99999"),
        ("VISIONFT_REPORT_URL", "http://plain:80"),
        ("VISIONFT_REPORT_URL", "https://host:1/path"),
        ("VISIONFT_STATUS_INTERVAL_SECONDS", "0"),
        ("VISIONFT_STATUS_INTERVAL_SECONDS", "ten"),
        ("VISIONFT_STATUS_INTERVAL_SECONDS", "nan"),
        ("VISIONFT_RESYNC_INTERVAL_SECONDS", "31"),
        ("VISIONFT_RESYNC_INTERVAL_SECONDS", "inf"),
        ("VISIONFT_LOG_LEVEL", "chatty"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_env({name: value})
    assert name in str(error.value)
    assert value in str(error.value) or value.lower() in str(error.value).lower()


def test_three_rounds_fit_into_the_time_after_which_a_watch_counts_as_deaf() -> None:
    assert Settings().resync_interval_seconds <= MAX_RESYNC_SECONDS
    assert 3 * MAX_RESYNC_SECONDS <= STALE_SECONDS


@pytest.fixture
def log() -> io.StringIO:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("INFO", stream)
    yield stream  # type: ignore[misc]
    root.handlers[:], root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """The logged objects."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_line_names_its_resource(log: io.StringIO) -> None:
    with logs.about("team", "digits"):
        logging.getLogger("anything").info("inside %s", "it")
    logging.getLogger("anything").info("outside")
    inside, outside = lines(log)
    assert (inside["message"], inside["resource"]) == ("inside it", "team/digits")
    assert "resource" not in outside


@pytest.mark.parametrize(
    ("kind", "name"), [("VisionFineTune", "digits"), ("Job", "digits-run-3"), ("Pod", "digits-run-3-x2x9z")]
)
def test_kopfs_lines_name_it_too(log: io.StringIO, kind: str, name: str) -> None:
    reference = {"kind": kind, "namespace": "team", "name": name}
    logging.getLogger("kopf.objects").warning("odd", extra={"k8s_ref": reference})
    assert lines(log)[0]["resource"] == "team/digits"


def test_an_exception_stays_on_its_line(log: io.StringIO) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("anything").exception("failed")
    (line,) = lines(log)
    assert "ValueError: two\nlines" in str(line["exception"])


def test_a_childs_name_leads_back_to_its_resource() -> None:
    assert resource_of_child(child_name("my-run-2-model", 12)) == "my-run-2-model"
    assert resource_of_child("something-else") is None
