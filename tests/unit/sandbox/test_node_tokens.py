"""Service-account tokens in volumes are renewed before they end, and only then."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from sandbox.node.api import Api, ApiUnavailableError
from sandbox.node.context import NodeContext
from sandbox.node.events import EventRecorder
from sandbox.node.images import ImageStore
from sandbox.node.volumes import PodVolumes

LIFE_SECONDS = 1000
POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "pod-uid"},
    "spec": {
        "serviceAccountName": "trainer",
        "containers": [],
        "volumes": [
            {
                "name": "token",
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"audience": "a", "expirationSeconds": LIFE_SECONDS, "path": "token"}}
                    ]
                },
            }
        ],
    },
}


class TokenApi:
    """Issues numbered tokens, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.available = True

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if not self.available:
            raise ApiUnavailableError("down")
        self.requests.append((path, body["spec"]))
        expires = datetime.fromtimestamp(self.now + LIFE_SECONDS, UTC)
        return {"status": {"token": f"token-{len(self.requests)}", "expirationTimestamp": expires.isoformat()}}


def volumes(api: TokenApi, tmp_path: Path) -> PodVolumes:
    client = cast(Api, api)
    context = NodeContext(
        "n", "i", tmp_path, client, ImageStore([]), EventRecorder(client, "n"), {}, clock=lambda: api.now
    )
    return PodVolumes(context, POD)


async def test_token_is_asked_for_this_pod_and_audience(tmp_path: Path) -> None:
    api = TokenApi()
    await volumes(api, tmp_path).set_up()
    path, spec = api.requests[0]
    assert path == "/api/v1/namespaces/ns/serviceaccounts/trainer/token"
    assert spec["audiences"] == ["a"]
    assert spec["expirationSeconds"] == LIFE_SECONDS
    assert spec["boundObjectRef"] == {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "pod-uid"}


async def test_token_is_renewed_at_80_percent_of_its_life(tmp_path: Path) -> None:
    api = TokenApi()
    mounted = volumes(api, tmp_path)
    await mounted.set_up()
    file = mounted.folder("token") / "token"
    api.now += 0.79 * LIFE_SECONDS
    await mounted.refresh()
    assert file.read_text() == "token-1"
    api.now += 0.02 * LIFE_SECONDS
    await mounted.refresh()
    assert file.read_text() == "token-2"


async def test_token_stays_while_the_api_server_is_away(tmp_path: Path) -> None:
    api = TokenApi()
    mounted = volumes(api, tmp_path)
    await mounted.set_up()
    api.now += LIFE_SECONDS
    api.available = False
    await mounted.refresh()
    assert (mounted.folder("token") / "token").read_text() == "token-1"
    api.available = True
    await mounted.refresh()
    assert (mounted.folder("token") / "token").read_text() == "token-2"
