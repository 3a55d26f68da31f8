"""Calls of the Kubernetes API, and nothing else. Objects are plain dictionaries, as the API has them.

One request function on the official asyncio client instead of its generated methods: those want a method per kind and
parse each answer into models that the operator does not use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from visionft_operator.names import FIELD_MANAGER

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
"""No call of the operator's should take longer; a lost answer is found by the next reconcile."""

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON = "application/json"

Object = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of object and where the API serves it."""

    api_version: str
    kind: str
    plural: str

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """URL path of a collection, an object or a subresource."""
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version]
        if namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


VISION_FINE_TUNES = Kind("visionft.dev/v1alpha1", "VisionFineTune", "visionfinetunes")
JOBS = Kind("batch/v1", "Job", "jobs")
PODS = Kind("v1", "Pod", "pods")
CONFIG_MAPS = Kind("v1", "ConfigMap", "configmaps")
CLAIMS = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
EVENTS = Kind("v1", "Event", "events")
SECRETS = Kind("v1", "Secret", "secrets")


class ApiError(Exception):
    """The API server refused a request: HTTP `status`, machine-readable `reason`, `message` for people."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Listing:
    """All objects of a kind at one moment, `resource_version`."""

    items: tuple[Object, ...]
    resource_version: int


class Kube:
    """The API server, as the operator uses it. Every method raises ApiError and aiohttp.ClientError/TimeoutError."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client

    @classmethod
    async def connect(cls, kubeconfig: str | None) -> Kube:
        """Use the kubeconfig file, or the pod's service account when None. Sends nothing yet."""
        configuration = Configuration()
        if kubeconfig:
            await config.load_kube_config(kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        return cls(ApiClient(configuration))

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()  # type: ignore[no-untyped-call]

    async def list(self, kind: Kind, namespace: str = "", *, cached: bool = False, **query: str) -> Listing:
        """List a kind in a namespace, or in all when it is empty.

        `cached` lets the API server answer from its memory: cheap, and possibly a moment old. `query` has
        labelSelector and fieldSelector.
        """
        if cached:
            query["resourceVersion"] = "0"
        answer = await self._request("GET", kind.path(namespace), query)
        # Items of a list come without kind and apiVersion.
        items = tuple({"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in answer["items"])
        return Listing(items, int(answer["metadata"]["resourceVersion"]))

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return the object, None when there is none."""
        try:
            return await self._request("GET", kind.path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def create(self, kind: Kind, body: Object) -> Object:
        """Create an object. Status 409 when the name is taken."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self._request("POST", kind.path(body["metadata"]["namespace"]), query, body, JSON)

    async def replace(self, kind: Kind, body: Object) -> Object:
        """Replace an object. Status 409 when it changed since metadata.resourceVersion."""
        metadata = body["metadata"]
        query = {"fieldManager": FIELD_MANAGER}
        return await self._request("PUT", kind.path(metadata["namespace"], metadata["name"]), query, body, JSON)

    async def apply(self, kind: Kind, body: Object, subresource: Literal["status"] | None = None) -> Object:
        """Server-side apply. Takes fields that another manager owns: what it declares is the operator's to say."""
        return await self._apply(kind, body, subresource, {"force": "true"})

    async def try_apply(self, kind: Kind, body: Object) -> Object:
        """Return what `apply` would make of the object and change nothing. Status 409 when it would take fields."""
        return await self._apply(kind, body, None, {"dryRun": "All"})

    async def _apply(self, kind: Kind, body: Object, subresource: str | None, options: dict[str, str]) -> Object:
        metadata = body["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"], subresource)
        return await self._request("PATCH", path, {"fieldManager": FIELD_MANAGER, **options}, body, APPLY)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Object) -> Object:
        """JSON merge patch."""
        return await self._request("PATCH", kind.path(namespace, name), {"fieldManager": FIELD_MANAGER}, patch, MERGE)

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete the object of this uid and, in the background, what it owns. Deleted already is fine."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._request("DELETE", kind.path(namespace, name), None, options, JSON)
        except ApiError as error:
            if error.status not in (404, 409):  # 409: the name has another uid by now
                raise

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str | None = None,
    ) -> Object:
        headers = {"Accept": JSON}
        if content_type:
            headers["Content-Type"] = content_type
        request = await self.client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        response = await self.client.call_api(*request, _request_timeout=REQUEST_TIMEOUT)
        data = await response.read()  # type: ignore[no-untyped-call]
        if response.status >= 400:
            raise _error(response.status, data)
        answer = json.loads(data)
        assert isinstance(answer, dict)
        return answer


def _error(status: int, data: bytes) -> ApiError:
    try:
        answer = json.loads(data)
        return ApiError(status, str(answer.get("reason", "")), str(answer.get("message", "")))
    except (ValueError, AttributeError):
        return ApiError(status, "", data[:500].decode(errors="replace"))
