"""What the watches have told: the newest known version of every object, in memory.

It is an index of ours rather than kopf's because three things must be possible that kopf's indexes do not offer: the
answer to a write goes in at once (so that the next reconcile never decides on a status older than the one it wrote),
an object that vanished while a watch was cut is removed (kopf keeps it for ever), and what each *watch* has delivered
is known apart from what is known (so that liveness can tell a watch that has gone deaf).

Resource versions are compared as numbers, which Kubernetes guarantees for built-in and custom resources since 1.35.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from visionft_operator.kube import Kind, Listing, Object
from visionft_operator.names import LABEL_NAME

Key = tuple[str, str]
"""(namespace, name)"""


def key_of(body: Object) -> Key:
    """Return (namespace, name) of an object."""
    return body["metadata"]["namespace"], body["metadata"]["name"]


def version_of(body: Object) -> int:
    """Return the resourceVersion of an object as a number."""
    return int(body["metadata"]["resourceVersion"])


class KindCache:
    """The objects of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._objects: dict[Key, Object] = {}
        self._children: dict[Key, dict[Key, Object]] = {}
        self._deleted: dict[Key, int] = {}
        self._watched: dict[Key, int] = {}

    def get(self, namespace: str, name: str) -> Object | None:
        """Return the object, None when it is not known."""
        return self._objects.get((namespace, name))

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def __len__(self) -> int:
        return len(self._objects)

    def of_resource(self, namespace: str, name: str) -> list[Object]:
        """Return the objects that carry the label of this resource."""
        return list(self._children.get((namespace, name), {}).values())

    def saw_event(self, event_type: str | None, body: Object) -> bool:
        """Take a watch event in. Returns whether it told something new."""
        key, version = key_of(body), version_of(body)
        self._watched[key] = max(version, self._watched.get(key, 0))
        if event_type == "DELETED":
            return self.remove(body)
        return self.put(body)

    def put(self, body: Object) -> bool:
        """Take in an object that was read or written. Older than what is known: ignored."""
        key, version = key_of(body), version_of(body)
        known = self._objects.get(key)
        if version <= self._deleted.get(key, 0) or (known is not None and version <= version_of(known)):
            return False
        self._store(key, _slim(body))
        return True

    def remove(self, body: Object) -> bool:
        """Forget an object that was deleted at `body`'s version."""
        key, version = key_of(body), version_of(body)
        self._deleted[key] = max(version, self._deleted.get(key, 0))
        known = self._objects.get(key)
        if known is None or version_of(known) > version:
            return False
        self._drop(key)
        return True

    def missed_by_watch(self, listing: Listing) -> set[Key]:
        """Keys whose state in the listing the watch has not delivered (yet)."""
        listed = {key_of(body): version_of(body) for body in listing.items}
        late = {key for key, version in listed.items() if self._watched.get(key, 0) < version}
        gone = {
            key
            for key, version in self._watched.items()
            if key not in listed and version <= listing.resource_version and key in self._objects
        }
        return late | gone

    def repair(self, listing: Listing) -> set[Key]:
        """Bring the cache up to the listing. Returns the keys that changed."""
        changed = {key_of(body) for body in listing.items if self.put(body)}
        listed = {key_of(body) for body in listing.items}
        for key, body in list(self._objects.items()):
            if key not in listed and version_of(body) <= listing.resource_version:
                self._drop(key)
                self._deleted[key] = max(listing.resource_version, self._deleted.get(key, 0))
                changed.add(key)
        # A tombstone only has to outlive answers and events that were on their way when the object was deleted.
        self._deleted = {key: v for key, v in self._deleted.items() if v > listing.resource_version}
        self._watched = {key: v for key, v in self._watched.items() if key in self._objects or key in self._deleted}
        return changed

    def _store(self, key: Key, body: Object) -> None:
        self._drop(key)
        self._objects[key] = body
        parent = _parent(body)
        if parent is not None:
            self._children.setdefault(parent, {})[key] = body

    def _drop(self, key: Key) -> None:
        known = self._objects.pop(key, None)
        parent = None if known is None else _parent(known)
        if parent is not None:
            children = self._children[parent]
            del children[key]
            if not children:
                del self._children[parent]


class Cache:
    """One KindCache for each watched kind."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = {kind: KindCache(kind) for kind in kinds}

    def __getitem__(self, kind: Kind) -> KindCache:
        return self._kinds[kind]

    def __iter__(self) -> Iterator[KindCache]:
        return iter(self._kinds.values())


def _slim(body: Object) -> Object:
    """managedFields are a third of an object and nobody reads them."""
    metadata: dict[str, Any] = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
    return {**body, "metadata": metadata}


def _parent(body: Object) -> Key | None:
    name = body["metadata"].get("labels", {}).get(LABEL_NAME)
    return (body["metadata"]["namespace"], name) if name else None
