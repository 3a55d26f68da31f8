"""The volumes of one pod: set up before its containers start, kept up to date while they run."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.node.api import ApiError, ApiUnavailableError
from sandbox.node.atomic_dir import write_payload
from sandbox.node.context import NodeContext
from sandbox.node.environment import EnvContext, ObjectRef
from sandbox.node.payload import (
    Payload,
    PayloadError,
    TokenSpec,
    build_payload,
    is_payload_volume,
    volume_references,
    volume_tokens,
)
from sandbox.node.status import NODE_IP

logger = logging.getLogger(__name__)

TOKEN_REFRESH_FRACTION = 0.8
TOKEN_MAX_AGE_SECONDS = 24 * 3600


class MountError(Exception):
    """A volume cannot be set up yet: a FailedMount event. Retried."""

    def __init__(self, volume: str, cause: str) -> None:
        super().__init__(f'MountVolume.SetUp failed for volume "{volume}" : {cause}')


@dataclass(frozen=True)
class Token:
    text: str
    refresh_at: float
    """Unix seconds."""


async def fetch_objects(
    context: NodeContext, namespace: str, refs: Iterable[ObjectRef]
) -> dict[ObjectRef, Mapping[str, Any] | None]:
    """Read ConfigMaps and Secrets; None for those that do not exist."""
    wanted = sorted(refs)
    found = await asyncio.gather(*(_fetch(context, namespace, ref) for ref in wanted))
    return dict(zip(wanted, found, strict=True))


async def _fetch(context: NodeContext, namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
    try:
        return await context.api.get(f"/api/v1/namespaces/{namespace}/{ref.resource}/{ref.name}")
    except ApiError as error:
        if error.status == 404:
            return None
        raise


class PodVolumes:
    """Folders by volume name, below the pod's own folder or wherever the volume points."""

    def __init__(self, context: NodeContext, pod: dict[str, Any]) -> None:
        self.pod = pod
        self._context = context
        self._base = context.pod_dir(pod["metadata"]["uid"]) / "volumes"
        self._folders: dict[str, Path] = {}
        self._written: dict[str, Payload] = {}
        self._tokens: dict[TokenSpec, Token] = {}

    def folder(self, name: str) -> Path:
        return self._folders[name]

    def is_payload(self, name: str) -> bool:
        return name in self._written

    async def set_up(self) -> None:
        """Make every volume of the pod ready.

        Raises:
            MountError: a volume lacks what it is made from.
        """
        for volume in self.pod["spec"].get("volumes", []):
            name = volume["name"]
            try:
                self._folders[name] = await self._set_up(volume)
            except (PayloadError, ApiError, ApiUnavailableError, OSError) as error:
                raise MountError(name, str(error)) from error

    async def refresh(self) -> None:
        """Bring the files that come from the API server up to date; what fails now is tried again next time."""
        for volume in self.pod["spec"].get("volumes", []):
            if is_payload_volume(volume):
                try:
                    await self._write(volume, self._base / volume["name"])
                except (PayloadError, ApiError, ApiUnavailableError, OSError) as error:
                    logger.info("volume %s of %s is not refreshed: %s", volume["name"], self._pod_name, error)

    @property
    def _pod_name(self) -> str:
        return f"{self.pod['metadata']['namespace']}/{self.pod['metadata']['name']}"

    async def _set_up(self, volume: Mapping[str, Any]) -> Path:
        folder = self._base / str(volume["name"])
        if is_payload_volume(volume):
            await self._write(volume, folder)
            return folder
        if "emptyDir" in volume:
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        if "hostPath" in volume:
            return _host_path(volume["hostPath"])
        if "persistentVolumeClaim" in volume:
            return await self._claim_path(volume["persistentVolumeClaim"]["claimName"])
        kinds = ", ".join(key for key in volume if key != "name")
        raise PayloadError(f"the sandbox node does not provide volumes of kind {kinds}")

    async def _write(self, volume: Mapping[str, Any], folder: Path) -> None:
        namespace = self.pod["metadata"]["namespace"]
        objects = await fetch_objects(self._context, namespace, volume_references(volume))
        tokens = {spec: await self._token(spec) for spec in volume_tokens(volume)}
        env = EnvContext(self.pod, objects, self._context.allocatable, NODE_IP)
        payload = build_payload(volume, env, tokens)
        if self._written.get(volume["name"]) != payload:
            write_payload(folder, payload, datetime.now(UTC))
            self._written[volume["name"]] = payload

    async def _token(self, spec: TokenSpec) -> str:
        token = self._tokens.get(spec)
        if token is None or self._context.clock() >= token.refresh_at:
            token = self._tokens[spec] = await self._request_token(spec)
        return token.text

    async def _request_token(self, spec: TokenSpec) -> Token:
        metadata = self.pod["metadata"]
        account = self.pod["spec"].get("serviceAccountName", "default")
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        request: dict[str, Any] = {"expirationSeconds": spec.seconds, "boundObjectRef": bound}
        if spec.audience:
            request["audiences"] = [spec.audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": request}
        issued = self._context.clock()
        status = (await self._context.api.post(path, body))["status"]
        life = datetime.fromisoformat(status["expirationTimestamp"]).timestamp() - issued
        return Token(status["token"], issued + min(life * TOKEN_REFRESH_FRACTION, TOKEN_MAX_AGE_SECONDS))

    async def _claim_path(self, claim_name: str) -> Path:
        namespace = self.pod["metadata"]["namespace"]
        claim = await self._context.api.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{claim_name}")
        if claim.get("status", {}).get("phase") != "Bound":
            raise PayloadError(f'persistentvolumeclaim "{claim_name}" is not bound')
        volume = await self._context.api.get(f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}")
        spec = volume["spec"]
        if "hostPath" in spec:
            return _host_path(spec["hostPath"])
        if "local" in spec:
            return _host_path({"path": spec["local"]["path"], "type": "Directory"})
        raise PayloadError(
            f"the sandbox node provides persistent volumes of kind hostPath and local only ({claim_name})"
        )


def _host_path(source: Mapping[str, Any]) -> Path:
    """The folder or file of a hostPath, checked or created as its type says."""
    path, kind = Path(source["path"]), source.get("type", "")
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch()
    checks = {"Directory": path.is_dir, "DirectoryOrCreate": path.is_dir, "File": path.is_file}
    if not checks.get(kind, path.exists)():
        raise PayloadError(f"hostPath type check failed: {path} is not a {(kind or 'path').lower()}")
    return path
