"""The report server as a client sees it: what is taken, and the code, reason and mend of everything that is not."""

import asyncio
import json
import logging

import aiohttp
import pytest
from unit.ingest.harness import path, report
from visionft_operator.ingest.limits import Limits
from visionft_operator.ingest.ports import AuthenticationUnavailableError, CurrentRun, ResourceKey


def assert_status(answer, code: int, reason: str, *parts: str) -> None:
    """The body is a Kubernetes Status whose message has all parts."""
    assert answer.code == code, answer
    assert answer.headers["Content-Type"].startswith("application/json")
    status = {key: answer.body[key] for key in ("kind", "apiVersion", "status", "reason", "code")}
    assert status == {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    for part in parts:
        assert part in answer.body["message"]


async def test_a_good_report_is_stored_and_wakes_the_resource(server):
    answer = await server.send(report(sequence=7, progress={"percent": 42, "step": 21, "loss": "0.4312"}))
    assert (answer.code, answer.body) == (200, {})
    assert server.latest.sequence == 7
    assert server.latest.stage == "train"
    assert (server.latest.progress.percent, server.latest.progress.loss) == (42, "0.4312")
    assert server.latest.progress.last_updated == server.clock.now
    assert server.woken == [ResourceKey("team-a", "ocr")]
    assert server.codes == [200]


async def test_the_same_report_again_is_welcome_and_changes_nothing(server):
    await server.send(report(sequence=7))
    before = server.latest
    assert (await server.send(report(sequence=7, progress={"percent": 99}))).code == 200
    assert (await server.send(report(sequence=6, progress={"percent": 5}))).code == 200
    assert server.latest == before
    assert len(server.woken) == 1


async def test_kubeflows_form_is_taken_at_the_same_address(server):
    status = {
        "progressPercentage": 45,
        "estimatedRemainingSeconds": 795,
        "metrics": [{"name": "loss", "value": "0.52"}, {"name": "current_step", "value": "90"}],
        "lastUpdatedTime": "2026-01-01T00:00:00.250000+00:00",
    }
    assert (await server.send({"trainerStatus": status})).code == 200
    progress = server.latest.progress
    assert (progress.percent, progress.eta_seconds, progress.loss, progress.step) == (45, 795, "0.520000", 90)


@pytest.mark.parametrize(
    ("token", "parts"),
    [
        (None, ["no bearer token", "VISIONFT_REPORT_TOKEN_FILE"]),
        ("unknown", ["the token is unknown: mend it"]),
        ("refused", ["the token is refused: mend it"]),
    ],
)
async def test_401(server, token, parts):
    answer = await server.send(token=token)
    assert_status(answer, 401, "Unauthorized", *parts)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert server.latest is None


@pytest.mark.parametrize("header", ["Basic good", "Bearer", "Bearer  ", "good"])
async def test_401_for_what_is_no_bearer_token(server, header):
    assert_status(await server.send(token=None, headers={"Authorization": header}), 401, "Unauthorized")


@pytest.mark.parametrize(
    ("token", "to", "parts"),
    [
        ("other-namespace", path(), ["namespace team-b may not report for team-a/ocr", "token of the training pod"]),
        # The namespace is looked at first: a stranger does not learn what exists.
        ("other-namespace", path(name="nothing"), ["namespace team-b may not report for team-a/nothing"]),
        ("other-resource", path(), ["other-run-2-x does not belong to the Job of run 2 of team-a/ocr"]),
        ("old-run", path(run=1), ["ocr-run-1-x does not belong to the Job of run 2 of team-a/ocr"]),
        ("old-run", path(), ["ocr-run-1-x does not belong to the Job of run 2"]),
        ("good", path(run=1), ["run 1 is not the current run of team-a/ocr, which is 2"]),
        ("good", path(run=3), ["run 3 is not the current run of team-a/ocr, which is 2"]),
        ("unbound", path(), ["is not bound to a pod", "VISIONFT_REPORT_TOKEN_FILE"]),
        ("no-job", path(), ["pod shell", "only a running training pod may report"]),
        ("gone", path(), ["ocr-run-2-gone", "is gone"]),
    ],
)
async def test_403(server, token, to, parts):
    assert_status(await server.send(token=token, to=to), 403, "Forbidden", *parts)
    assert len(server.store) == 0
    assert server.woken == []


async def test_403_when_the_job_is_not_known_yet(server):
    server.cluster.runs["team-a", "ocr"] = CurrentRun("ocr-uid", 2, None)
    assert_status(await server.send(), 403, "Forbidden", "does not belong to the Job of run 2")


@pytest.mark.parametrize(
    "to",
    [
        path(name="nothing"),
        path(run="0"),
        path(run="x"),
        path(run="1" * 30),
        path(namespace="Team_A"),
        path(name="a%0Ab"),
        path() + "/more",
        "/",
        "/metrics",
    ],
)
async def test_404(server, to):
    assert_status(await server.send(to=to), 404, "NotFound", "VISIONFT_REPORT_URL")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_405(server, method):
    answer = await server.send(method=method)
    assert_status(answer, 405, "MethodNotAllowed", f"{method} is not served here: send a POST")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/plain"}, {"Content-Type": "application/json; charset=latin1"}]
)
async def test_415(server, headers):
    assert_status(
        await server.send(headers=headers), 415, "UnsupportedMediaType", "send Content-Type: application/json"
    )


async def test_415_for_a_compressed_body_which_could_be_a_bomb(server):
    answer = await server.send(b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert_status(answer, 415, "UnsupportedMediaType", "Content-Encoding gzip", "send the JSON as it is")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b"[]",
        b'"report"',
        b'{"report": NaN}',
        b"[" * 60_000,
        b'{"report": ' + b"9" * 5000 + b"}",
        b"",
    ],
)
async def test_400(server, body):
    assert_status(await server.send(body), 400, "BadRequest", "the body is not a JSON object", 'Send {"report": {...}}')
    assert server.latest is None


@pytest.mark.parametrize(
    ("body", "field", "parts"),
    [
        ({}, "report", ["Required"]),
        ({"reports": {}}, "reports", ["unknown field", '"report"']),
        (report(stage="trian"), "report.stage", ['"trian"', "train"]),
        (report(sequence=-1), "report.sequence", ["-1", " 0"]),
        (report(sentAt="yesterday"), "report.sentAt", ["yesterday"]),
        (report(progress={"percent": 101}), "report.progress.percent", ["101", " 100"]),
        (report(progress={"loss": 0.5}), "report.progress.loss", ["0.5", "in quotes"]),
        (report(progress={"los": "0.5"}), "report.progress.los", ['"loss"']),
        (report(evaluation={"verdict": "Good"}), "report.evaluation.verdict", ["Good", "Passed"]),
        (report(artifacts=[{"kind": "adapter"}]), "report.artifacts[0].uri", ["Required"]),
        ({"trainerStatus": {"progressPercentage": 200}}, "trainerStatus.progressPercentage", ["200", "100"]),
        ({"trainerStatus": {"metrics": [{"name": "loss"}]}}, "trainerStatus.metrics[0].value", ["Required"]),
        ({"trainerStatus": []}, "trainerStatus", ["object"]),
    ],
)
async def test_422_names_the_field_the_value_and_the_mend(server, body, field, parts):
    answer = await server.send(body)
    assert_status(answer, 422, "Invalid", field, *parts)
    causes = {cause["field"]: cause["message"] for cause in answer.body["details"]["causes"]}
    assert all(part in causes[field] for part in parts)
    assert server.latest is None


async def test_422_answers_briefly_to_a_long_mistake(server):
    wrong = {f"field{number}": "x" * 1000 for number in range(50)}
    answer = await server.send({"report": wrong | {"stage": "y" * 10_000}})
    assert_status(answer, 422, "Invalid")
    assert len(json.dumps(answer.body)) < 16_000


class TestBodyLimits:
    @pytest.fixture
    def limits(self):
        return Limits(body_bytes=2000, body_seconds=0.2)

    async def test_413_by_its_length_without_reading_it(self, server):
        async def nothing():
            await asyncio.sleep(5)
            yield b""

        answer = await server.send(nothing(), headers={"Content-Length": "2001"})
        assert_status(answer, 413, "RequestEntityTooLarge", "more than 2000 bytes", "send fewer")

    async def test_413_without_a_length(self, server):
        async def chunks():
            for _ in range(30):
                yield b"x" * 100

        answer = await server.send(chunks())
        assert_status(answer, 413, "RequestEntityTooLarge", "more than 2000 bytes")
        assert server.latest is None

    async def test_a_chunked_body_within_the_limit_is_taken(self, server):
        async def chunks():
            data = json.dumps(report()).encode()
            yield data[:10]
            yield data[10:]

        assert (await server.send(chunks())).code == 200

    async def test_408_for_a_slow_sender(self, server):
        async def slowly():
            yield b'{"report": '
            await asyncio.sleep(5)
            yield b"{}}"

        answer = await server.send(slowly())
        assert_status(answer, 408, "Timeout", "did not arrive within 0.2 s", "send the report again")
        assert answer.headers["Connection"] == "close"
        assert server.latest is None

    async def test_a_stranger_is_refused_before_the_body_is_read(self, server):
        async def never_ending():
            yield b"{"
            await asyncio.sleep(5)

        assert_status(await server.send(never_ending(), token="unknown"), 401, "Unauthorized")


async def test_429_tells_when_to_come_back_and_other_resources_are_not_held_up(server):
    limits = server.limits
    for number in range(limits.report_burst):
        assert (await server.send(report(sequence=number))).code == 200
    answer = await server.send(report(sequence=100))
    assert_status(answer, 429, "TooManyRequests", "team-a/ocr reports more than 2 times a second: wait 1 s")
    assert answer.headers["Retry-After"] == "1"
    assert answer.body["details"]["retryAfterSeconds"] == 1
    assert server.latest.sequence == limits.report_burst - 1
    assert (await server.send(token="other-resource", to=path(name="other"))).code == 200
    server.clock.forward(1)
    assert (await server.send(report(sequence=100))).code == 200


async def test_strangers_do_not_spend_a_resources_rate(server):
    for _ in range(server.limits.report_burst * 2):
        await server.send(token="other-namespace")
    assert (await server.send()).code == 200


class TestConcurrency:
    @pytest.fixture
    def limits(self):
        return Limits(concurrent_requests=2, body_seconds=5)

    async def test_429_when_too_many_are_being_answered(self, server):
        release = asyncio.Event()

        async def held():
            yield b"{"
            await release.wait()
            yield json.dumps(report())[1:].encode()

        waiting = [asyncio.create_task(server.send(held())) for _ in range(2)]
        await asyncio.sleep(0.1)
        answer = await server.send()
        assert_status(answer, 429, "TooManyRequests", "busy", "try again in 5 s")
        assert answer.headers["Retry-After"] == "5"
        release.set()
        assert [done.code for done in await asyncio.gather(*waiting)] == [200, 200]
        assert (await server.send()).code == 200


async def test_503_when_nobody_can_say_whether_the_token_is_good(server):
    server.cluster.identities["good"] = AuthenticationUnavailableError(
        "the API server could not be asked: send it later"
    )
    answer = await server.send()
    assert_status(answer, 503, "ServiceUnavailable", "could not be asked: send it later")
    assert answer.headers["Retry-After"] == "5"


async def test_500_shows_no_traceback_and_the_log_names_the_resource(server, caplog):
    server.cluster.runs = None
    answer = await server.send()
    assert_status(answer, 500, "InternalError", "its log says why")
    assert "Traceback" not in json.dumps(answer.body)
    assert "NoneType" not in json.dumps(answer.body)
    record = next(record for record in caplog.records if record.exc_info)
    assert "/team-a/" in record.getMessage()
    assert record.fields == {"resource": "team-a/ocr"}


async def test_a_run_that_ends_while_the_body_comes_gets_no_report(server):
    async def body():
        yield b"{"
        await asyncio.sleep(0.05)
        server.cluster.runs["team-a", "ocr"] = CurrentRun("ocr-uid", 3, "ocr-job-3")
        yield json.dumps(report())[1:].encode()

    assert (await server.send(body())).code == 403
    assert len(server.store) == 0


async def test_refusals_are_logged_with_the_resource_but_not_without_end(server, caplog):
    caplog.set_level(logging.WARNING)
    for _ in range(50):
        await server.send(token="unknown", to=path(name="a%0Ab"))
    assert 0 < len(caplog.records) < 10
    assert all("\n" not in record.getMessage() for record in caplog.records)
    caplog.clear()
    server.clock.forward(60)
    await server.send(token="unknown")
    assert caplog.records[0].fields == {"resource": "team-a/ocr"}
    assert "401 Unauthorized" in caplog.records[0].getMessage()
    assert "45 refusals before this one not logged" in caplog.text


class TestConnections:
    @pytest.fixture
    def limits(self):
        return Limits(idle_seconds=0.2, connections=3)

    async def raw(self, server, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.running.port)
        writer.write(data)
        await writer.drain()
        try:
            return await asyncio.wait_for(reader.read(), 3)
        finally:
            writer.close()

    @pytest.mark.parametrize(
        "data",
        [
            b"hello\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 10_000 + b"\r\n\r\n",
            b"POST /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100)) + b"\r\n",
        ],
    )
    async def test_what_is_not_http_gets_a_status_too_and_no_traceback_in_the_log(self, server, data, caplog):
        caplog.set_level(logging.INFO)
        head, _, body = (await self.raw(server, data)).partition(b"\r\n\r\n")
        assert b" 400 " in head.splitlines()[0]
        assert json.loads(body)["reason"] == "BadRequest"
        assert "send at most" in json.loads(body)["message"]
        assert caplog.records == []

    async def test_headers_that_come_too_slowly_end_the_connection(self, server):
        assert await self.raw(server, b"POST / HTTP/1.1\r\nHost: x\r\n") == b""

    async def test_connections_are_bounded_and_freed(self, server):
        held = [await asyncio.open_connection("127.0.0.1", server.running.port) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(aiohttp.ClientConnectionError):
            await server.send()
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.05)
        assert (await server.send()).code == 200

    async def test_a_sender_that_dies_in_the_middle_leaves_no_traceback(self, server, caplog):
        _, writer = await asyncio.open_connection("127.0.0.1", server.running.port)
        head = f"POST {path()} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n"
        writer.write(f'{head}Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{{"report"'.encode())
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()
        await asyncio.sleep(0.05)
        assert not any(record.exc_info for record in caplog.records)
        assert server.codes == [400]
        assert server.latest is None

    async def test_a_body_in_broken_chunks(self, server, caplog):
        head = f"POST {path()} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nTransfer-Encoding: chunked\r\n"
        answer = await self.raw(server, f"{head}Content-Type: application/json\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n".encode())
        assert b" 400 " in answer.splitlines()[0]
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["kind"] == "Status"
        assert not any(record.exc_info for record in caplog.records)
