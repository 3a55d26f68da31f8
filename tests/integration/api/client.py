"""Sends manifests to an API server as they are written, and keeps what it says."""

import json
from dataclasses import dataclass
from typing import Any

from kubernetes.client import ApiClient
from visionft_api import API_VERSION, PLURAL


@dataclass(frozen=True)
class Answer:
    """What the API server said to one request."""

    code: int
    body: dict[str, Any]

    @property
    def causes(self) -> list[dict[str, str]]:
        """Field and message of each mistake."""
        return self.body.get("details", {}).get("causes", [])


class ApiServer:
    """An API server, spoken to as kubectl speaks to it: YAML as it stands in the file, strict about fields."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def create(self, manifest: str, namespace: str = "default", dry_run: bool = True) -> Answer:
        """POST a manifest's text."""
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        return self.send("POST", resources(namespace) + query, manifest, "application/yaml")

    def send(self, method: str, path: str, body: str, content_type: str) -> Answer:
        """One request with the administrator's certificate."""
        response = self._client.rest_client.pool_manager.request(
            method,
            self._client.configuration.host + path,
            body=body.encode(),
            headers={"Content-Type": content_type, "Accept": "application/json"},
        )
        return Answer(response.status, json.loads(response.data))


def resources(namespace: str) -> str:
    """Where the resources of a namespace are."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"
