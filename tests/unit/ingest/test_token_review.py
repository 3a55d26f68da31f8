"""Reading the API server's answer to a TokenReview, and what is refused without asking it."""

import base64
import json
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from kubernetes.aio import client
from visionft_operator.ingest.ports import AuthenticationUnavailableError, Identity, UnauthenticatedError
from visionft_operator.ingest.token_review import TokenReviewAuthenticator

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def token(**claims) -> str:
    claims = {"aud": ["visionft-reports"], "exp": (NOW + timedelta(hours=1)).timestamp(), **claims}
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{part}.c2ln"


def user(username="system:serviceaccount:ns:default", pod="pod-1", uid="uid-1"):
    extra = {}
    if pod:
        extra["authentication.kubernetes.io/pod-name"] = [pod]
    if uid:
        extra["authentication.kubernetes.io/pod-uid"] = [uid]
    return client.V1UserInfo(username=username, extra=extra)


class Api:
    """Stands for AuthenticationV1Api: answers with a status, or raises."""

    def __init__(self, answer) -> None:
        self.answer = answer
        self.asked = []

    async def create_token_review(self, body, _request_timeout):
        self.asked.append(body.spec)
        if isinstance(self.answer, Exception):
            raise self.answer
        return client.V1TokenReview(spec=body.spec, status=self.answer)


def accepted(**changes):
    fields = {"authenticated": True, "audiences": ["visionft-reports"], "user": user()} | changes
    return client.V1TokenReviewStatus(**fields)


async def ask(answer, sent: str) -> tuple[Identity, Api]:
    api = Api(answer)
    return await TokenReviewAuthenticator(api, lambda: NOW).authenticate(sent), api


async def test_the_identity_says_which_pod_and_until_when():
    sent = token()
    identity, api = await ask(accepted(), sent)
    assert identity == Identity("system:serviceaccount:ns:default", "ns", "pod-1", "uid-1", NOW + timedelta(hours=1))
    assert (api.asked[0].token, api.asked[0].audiences) == (sent, ["visionft-reports"])


async def test_a_token_without_a_pod_says_so():
    identity, _ = await ask(accepted(user=user(pod=None, uid=None)), token())
    assert (identity.pod_name, identity.pod_uid) == (None, None)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (client.V1TokenReviewStatus(authenticated=False, error="signature is invalid"), "signature is invalid"),
        (client.V1TokenReviewStatus(), "no reason given"),
        (accepted(audiences=[]), "not for audience visionft-reports"),
        (accepted(audiences=["other"]), "not for audience visionft-reports"),
        (accepted(user=user("alice")), "alice is not a service account's"),
        (accepted(user=user("team-a:default")), "team-a:default is not a service account's"),
        (accepted(user=user("system:serviceaccount:")), "not a service account's"),
        (accepted(user=None), "unnamed user"),
    ],
)
async def test_every_answer_but_a_full_yes_is_a_no_with_the_mend(status, message):
    with pytest.raises(UnauthenticatedError, match=f"{message}.*VISIONFT_REPORT_TOKEN_FILE"):
        await ask(status, token())


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ("abc", "not a service-account token"),
        ("a.b.c.d", "not a service-account token"),
        ("a.!!!.c", "not a service-account token"),
        ("a.WzFd.c", "not a service-account token"),
        ("a." + base64.urlsafe_b64encode(b"[" * 3000).decode() + ".c", "not a service-account token"),
        (token(pad="x" * 8000), "not a service-account token"),
        ("é.é.é", "not a service-account token"),
        (token(exp=(NOW - timedelta(minutes=2)).timestamp()), "expired at 2025-12-31T23:58:00"),
        (
            token(aud=["https://kubernetes.default.svc"]),
            "for audience https://kubernetes.default.svc, not visionft-reports",
        ),
        (token(aud="vault"), "for audience vault, not visionft-reports"),
        (token(aud=[]), "not visionft-reports"),
    ],
)
async def test_a_hopeless_token_is_refused_without_asking(sent, message):
    api = Api(accepted())
    with pytest.raises(UnauthenticatedError, match=f"{message}.*VISIONFT_REPORT_TOKEN_FILE"):
        await TokenReviewAuthenticator(api, lambda: NOW).authenticate(sent)
    assert api.asked == []


@pytest.mark.parametrize("exp", ["soon", 1e300, None, [1]])
async def test_an_odd_expiry_is_left_to_the_api_server(exp):
    identity, api = await ask(accepted(), token(exp=exp))
    assert identity.expires is None
    assert len(api.asked) == 1


async def test_a_clock_that_is_a_little_ahead_refuses_no_good_token():
    identity, _ = await ask(accepted(), token(exp=(NOW - timedelta(seconds=30)).timestamp()))
    assert identity.namespace == "ns"


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (client.ApiException(status=403, reason="Forbidden"), "may the operator's account create tokenreviews?"),
        (client.ApiException(status=500, reason="Internal"), "HTTP 500"),
        (aiohttp.ClientConnectionError("refused"), "ClientConnectionError refused"),
        (TimeoutError(), "TimeoutError"),
    ],
)
async def test_when_the_api_server_cannot_be_asked_it_is_nobodys_fault(error, logged, caplog):
    with pytest.raises(AuthenticationUnavailableError, match="send the report again later"):
        await ask(error, token())
    assert logged in caplog.text


async def test_each_review_is_timed_also_a_failing_one():
    took = []
    authenticator = TokenReviewAuthenticator(Api(TimeoutError()), lambda: NOW, on_review=took.append)
    with pytest.raises(AuthenticationUnavailableError):
        await authenticator.authenticate(token())
    assert len(took) == 1
