"""Servers whose certificate nobody here trusts: told at once, with the field and the mend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.report_server import serve
from support.small_artifacts import OWNER
from visionft_api.spec import OciOutput, S3Output
from visionft_trainer.artifacts.publish import registry
from visionft_trainer.artifacts.publish.destination import Destination
from visionft_trainer.artifacts.publish.oci import OciDestination
from visionft_trainer.artifacts.publish.s3 import S3Destination
from visionft_trainer.errors import StorageFailedError
from visionft_trainer.settings import Settings

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    with serve(tmp_path / "tls") as server:
        yield server.url.removeprefix("https://").partition("/")[0]


def never(_: float) -> None:
    pytest.fail("it was tried again")


def test_s3(host: str) -> None:
    place = S3Destination(S3Output(endpoint=f"https://{host}", bucket="models"), OWNER, Settings(secrets=KEYS), never)
    check(place, r"spec\.output\.s3\.endpoint: the certificate of s3://models/.* at https://.* is not trusted here")


def test_oci(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "is_loopback", lambda host: False)  # which needs no certificate
    place = OciDestination(OciOutput(repository=f"{host}/lines"), OWNER, Settings(), never)
    check(place, r"spec\.output\.oci\.repository: the certificate of .* is not trusted here")


def check(place: Destination, words: str) -> None:
    with pytest.raises(StorageFailedError, match=words + r".*Mend it, or use an image"):
        place.check()
