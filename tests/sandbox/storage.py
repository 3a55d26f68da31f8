"""Volumes for the claims of the sandbox's StorageClass: each is a folder of this machine."""

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client, watch

STORAGE_CLASS = "sandbox"
RETRY_SECONDS = 0.5
WATCH_SECONDS = 60

JsonObject = dict[str, Any]


def storage_class() -> JsonObject:
    """The default StorageClass."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "sandbox.visionft.dev/folder",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }


def claim_folder(root: Path, namespace: str, claim: str) -> Path:
    """Where the files of a claim lie. They stay when the claim is deleted; the sandbox's end removes them."""
    return root / namespace / claim


def volume_for(claim: Any, root: Path) -> JsonObject:
    """The PersistentVolume that this claim is to be bound to."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{claim.metadata.uid}"},
        "spec": {
            "capacity": {"storage": claim.spec.resources.requests["storage"]},
            "accessModes": claim.spec.access_modes,
            "storageClassName": STORAGE_CLASS,
            # The folder outlives the claim: what a run has written is not lost by a slip of kubectl.
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(claim_folder(root, claim.metadata.namespace, claim.metadata.name))},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim.metadata.namespace,
                "name": claim.metadata.name,
                "uid": claim.metadata.uid,
            },
        },
    }


class Provisioner:
    """Watches claims in a thread, and gives each one without a volume a folder and a volume."""

    def __init__(self, core: client.CoreV1Api, root: Path) -> None:
        self._core = core
        self._root = root
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="provisioner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends with this process at the latest: the thread may sit in a watch."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                for claim in self._claims():
                    if self._stopped.is_set():
                        return
                    self._provide(claim)
            except (client.ApiException, urllib3.exceptions.HTTPError, OSError):
                # The API server is restarting or the watch is too old: list anew.
                time.sleep(RETRY_SECONDS)

    def _claims(self) -> Iterable[Any]:
        listed = self._core.list_persistent_volume_claim_for_all_namespaces()
        yield from listed.items
        changes = watch.Watch().stream(
            self._core.list_persistent_volume_claim_for_all_namespaces,
            resource_version=listed.metadata.resource_version,
            timeout_seconds=WATCH_SECONDS,
        )
        for change in changes:
            if change["type"] in ("ADDED", "MODIFIED"):
                yield change["object"]

    def _provide(self, claim: Any) -> None:
        if claim.spec.volume_name or claim.spec.storage_class_name != STORAGE_CLASS:
            return
        claim_folder(self._root, claim.metadata.namespace, claim.metadata.name).mkdir(parents=True, exist_ok=True)
        try:
            self._core.create_persistent_volume(volume_for(claim, self._root))
        except client.ApiException as error:
            if error.status != 409:  # it is there already
                raise
