"""What an S3 server's refusals mean: the same words for data that is read and for artifacts that are written."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest
from visionft_api.spec import S3Output
from visionft_trainer.artifacts.publish.s3 import S3Destination
from visionft_trainer.errors import BadDatasetError, StorageFailedError
from visionft_trainer.servers.patience import ASKING, PassingError
from visionft_trainer.servers.s3 import Asked, meaning
from visionft_trainer.settings import Settings
from visionft_trainer.storage.folder import Owner

READ = Asked("spec.dataset.train.s3", "s3://rows", "list and read", BadDatasetError)
WRITE = Asked("spec.output.s3", "s3://models/run-1", "write", StorageFailedError)
KEYS = Settings(secrets={"OUTPUT_S3_AWS_ACCESS_KEY_ID": "somebody", "OUTPUT_S3_AWS_SECRET_ACCESS_KEY": "x"})
OWNER = Owner(uid="0123", namespace="team", name="tiny", run=1, spec_hash="abcd")


def answered(status: int, code: str = "") -> Exception:
    body = f"<Error><Code>{code}</Code></Error>" if code else ""
    return OSError(f"Generic S3 error: non-2xx status code: {status} Reason: {body}\n\nDebug source: ...")


@pytest.mark.parametrize("asked", [READ, WRITE], ids=["read", "write"])
@pytest.mark.parametrize(
    ("error", "field", "words"),
    [
        (answered(404, "NoSuchBucket"), ".bucket", "there is no such bucket: .*Make it, or mend the name"),
        (answered(301, "PermanentRedirect"), ".bucket", "lies in another region .*AWS_REGION in spec.podTemplate.env"),
        (OSError("redirect without LOCATION"), ".bucket", "lies in another region .*301 PermanentRedirect"),
        (answered(403, "SignatureDoesNotMatch"), "", "is denied .*is not the one of its AWS_ACCESS_KEY_ID"),
        (answered(403, "RequestTimeTooSkewed"), "", "the clocks of .* are apart .*Set the clock of the node"),
        (answered(403, "AccessDenied"), "", "is denied .*403 AccessDenied.*and that they may "),
        (answered(400, "ExpiredToken"), "", "is denied .*Check AWS_ACCESS_KEY_ID"),
        (answered(507), "", "has no room .*Raise the bucket's quota"),
        (answered(400, "InvalidRequest"), "", r"is refused \(the server says 400 InvalidRequest\)\. Check endpoint"),
        (OSError("invalid peer certificate: UnknownIssuer"), ".endpoint", "certificate of .* is not trusted here"),
    ],
)
def test_a_refusal_names_field_place_and_mend(asked: Asked, error: Exception, field: str, words: str) -> None:
    found = meaning(error, asked)
    assert type(found) is asked.refused
    assert str(found).startswith(f"{asked.field}{field}: ")
    assert asked.where in str(found)
    with pytest.raises(asked.refused, match=words):
        raise found


@pytest.mark.parametrize("error", [answered(500), answered(503, "SlowDown"), answered(429), OSError("reset by peer")])
def test_what_another_try_may_mend(error: Exception) -> None:
    assert isinstance(meaning(error, WRITE), PassingError)


def test_a_server_that_takes_the_connection_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        open_connections: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    open_connections.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        output = S3Output(bucket="models", endpoint=endpoint)
        brief = replace(ASKING, attempts=2, silence=0.2)
        with pytest.raises(StorageFailedError) as error:
            S3Destination(output, OWNER, KEYS, lambda _: None, brief).check()
        for connection in open_connections:
            connection.close()
    said = str(error.value)
    assert said.startswith(f"spec.output.s3: s3://models/run-1/.visionft-may-write at {endpoint} could not be written")
    assert "(it does not answer; given up after 2 tries in " in said
