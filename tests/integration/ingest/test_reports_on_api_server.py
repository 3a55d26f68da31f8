"""Who may report, decided on a real API server's tokens: each refusal has its code and leaves the store as it was."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from integration.ingest.live_server import Server, Team
from integration.ingest.world import World, forged


async def refused(server: Server, code: int, part: str, token: str | None, body=None, **where) -> None:
    """The answer is a Status with this code whose message has `part`, and nothing has changed."""
    before = server.told()
    answer = await server.send(token, body, **where)
    assert answer.code == code, answer
    assert (answer.body["kind"], answer.body["status"], answer.body["code"]) == ("Status", "Failure", code)
    assert part in answer.body["message"]
    assert server.told() == before


@pytest.fixture
def good(world: World, team: Team) -> str:
    """The token of the current run's pod."""
    return world.token(team.namespace, team.pod)


@pytest.fixture
async def reported(server: Server, good: str) -> Server:
    """A server to which that pod has reported."""
    answer = await server.send(good, sequence=100)
    assert (answer.code, answer.body) == (200, {})
    assert server.told().progress.percent == 42
    return server


async def test_a_trainers_reports_cost_one_token_review(reported, good):
    for sequence in range(101, 106):
        assert (await reported.send(good, sequence=sequence)).code == 200
    assert reported.told().sequence == 105
    assert len(reported.reviews) == 1


async def test_no_token(reported):
    await refused(reported, 401, "no bearer token", None)


async def test_what_is_no_token(reported):
    await refused(reported, 401, "not a service-account token", "hello")


async def test_a_token_for_the_api_server_itself(reported, world, team):
    token = world.token(team.namespace, team.pod, audience="https://kubernetes.default.svc")
    await refused(reported, 401, "is for audience https://kubernetes.default.svc, not visionft-reports", token)


async def test_a_token_with_our_audience_written_in_by_its_holder(reported, world, team):
    token = world.token(team.namespace, team.pod, audience="vault")
    await refused(reported, 401, "the API server refuses the token", forged(token, None, aud=["visionft-reports"]))


async def test_an_expired_token(reported, good, cluster):
    ago = datetime.now(UTC) - timedelta(hours=2)
    expired = forged(
        good,
        cluster.service_account_key,
        iat=int(ago.timestamp()),
        nbf=int(ago.timestamp()),
        exp=int(ago.timestamp()) + 600,
    )
    await refused(reported, 401, "the token expired at", expired)


async def test_an_expired_token_is_refused_by_the_api_server_when_our_clock_is_behind(cluster, team, good):
    ago = datetime.now(UTC) - timedelta(hours=2)
    times = {"iat": int(ago.timestamp()), "nbf": int(ago.timestamp()), "exp": int(ago.timestamp()) + 600}
    expired = forged(good, cluster.service_account_key, **times)
    still_good = forged(good, cluster.service_account_key, **(times | {"exp": int(ago.timestamp()) + 10_000}))
    async with Server(cluster, team, clock=lambda: ago) as server:
        await refused(server, 401, "expired", expired)
        assert len(server.reviews) == 1
        # The signature is not what it was refused for.
        assert (await server.send(still_good)).code == 200


async def test_another_namespaces_pod(reported, world, stranger, team):
    token = world.token(stranger.namespace, stranger.pod)
    await refused(reported, 403, f"namespace {stranger.namespace} may not report for {team.namespace}/ocr", token)


async def test_another_resources_pod(reported, world, team):
    token = world.token(team.namespace, team.other_pod)
    await refused(reported, 403, f"{team.other_pod} does not belong to the Job of run 2", token)


async def test_a_pod_of_an_old_run(reported, world, team):
    token = world.token(team.namespace, team.old_pod)
    await refused(reported, 403, f"{team.old_pod} does not belong to the Job of run 2", token, run=1)
    await refused(reported, 403, f"{team.old_pod} does not belong to the Job of run 2", token, run=2)


async def test_an_old_runs_address(reported, good):
    await refused(reported, 403, "run 1 is not the current run", good, run=1)


async def test_a_pod_of_no_job_that_carries_a_runs_labels(reported, world, team):
    await refused(reported, 403, "not a Job's", world.token(team.namespace, team.stray_pod))


async def test_a_token_that_is_bound_to_no_pod(reported, world, team):
    await refused(reported, 403, "not bound to a pod", world.token(team.namespace, None))


async def test_no_such_resource(reported, good):
    await refused(reported, 404, "there is no VisionFineTune", good, name="nothing")


async def test_another_method(reported, good):
    await refused(reported, 405, "send a POST", good, method="PUT")


async def test_an_oversized_body(reported, good):
    await refused(reported, 413, "more than 65536 bytes", good, b"{" + b" " * 70_000 + b"}")


async def test_an_oversized_body_without_a_length(reported, good):
    async def endless():
        for _ in range(100):
            yield b" " * 1000

    await refused(reported, 413, "more than 65536 bytes", good, endless())


async def test_a_slow_sender(reported, good):
    async def slowly():
        yield b'{"report": '
        await asyncio.sleep(10)

    await refused(reported, 408, "did not arrive within 0.5 s", good, slowly())


async def test_not_json(reported, good):
    await refused(reported, 400, "not a JSON object", good, b"percent=42")


async def test_wrong_fields(reported, good):
    await refused(reported, 422, "report.stage: Required value", good, {"report": {"sequence": 200}})


async def test_too_many(reported, good):
    for sequence in range(101, 101 + reported.limits.report_burst):
        last = await reported.send(good, sequence=sequence)
    assert last.code == 429
    assert last.body["details"]["retryAfterSeconds"] >= 1


async def test_a_deleted_pods_token(world, team, cluster):
    pod = world.job(team.namespace, "short", run=1)
    token, unused = world.token(team.namespace, pod), world.token(team.namespace, pod)
    world.tune(team.namespace, "short", run=1)
    async with Server(cluster, team) as server:
        assert (await server.send(token, name="short", run=1)).code == 200
        world.cluster.kubectl("delete", "job", "short-run-1", "-n", team.namespace, "--cascade=orphan", check=True)
        world.delete_pod(team.namespace, pod)
        await server.look()
        # The token is still remembered as good; the directory knows better.
        await refused(server, 403, "is gone", token, name="short", run=1)
        # The API server remembers a good token for ten seconds itself; one that it has not seen it refuses.
        await refused(server, 401, "the API server refuses the token", unused, name="short", run=1)


async def test_an_account_that_may_not_create_token_reviews(cluster, team, good, caplog):
    async with Server(cluster, team, account="nobody") as server:
        await refused(server, 503, "send the report again later", good)
    assert "may the operator's account create tokenreviews?" in caplog.text


async def test_while_the_api_server_is_away_known_pods_report_and_others_wait(reported, good, world, team, cluster):
    unknown = world.token(team.namespace, team.pod)
    cluster.stop_apiserver()
    try:
        assert (await reported.send(good, sequence=101)).code == 200
        await refused(reported, 503, "send the report again later", unknown)
    finally:
        cluster.start_apiserver()
    assert (await reported.send(unknown, sequence=102)).code == 200
