"""The cache is right whatever order, loss or doubling of events does to it."""

from __future__ import annotations

from typing import Any

from visionft_operator.cache import KindCache
from visionft_operator.kube import JOBS, Listing


def job(version: int, name: str = "a-run-1", uid: str = "1", owner: str = "a") -> dict[str, Any]:
    """A Job at a resource version."""
    labels = {"visionft.dev/name": owner}
    metadata = {"namespace": "team", "name": name, "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {**metadata, "managedFields": [{}]}}


def known(cache: KindCache) -> dict[str, int]:
    """Names and versions."""
    return {body["metadata"]["name"]: int(body["metadata"]["resourceVersion"]) for body in cache}


def test_the_newest_wins_in_any_order() -> None:
    cache = KindCache(JOBS)
    assert cache.saw_event("ADDED", job(1))
    assert cache.put(job(3))
    assert not cache.saw_event("MODIFIED", job(2))
    assert not cache.saw_event("MODIFIED", job(3))
    assert known(cache) == {"a-run-1": 3}


def test_a_late_event_does_not_bring_back_what_was_deleted() -> None:
    cache = KindCache(JOBS)
    cache.put(job(1))
    assert cache.saw_event("DELETED", job(5))
    assert not cache.saw_event("MODIFIED", job(4))
    assert known(cache) == {}
    assert cache.saw_event("ADDED", job(6, uid="2"))


def test_the_deletion_of_a_namesake_does_not_remove_its_successor() -> None:
    cache = KindCache(JOBS)
    cache.put(job(6, uid="2"))
    assert not cache.saw_event("DELETED", job(5, uid="1"))
    assert known(cache) == {"a-run-1": 6}


def test_a_listing_removes_what_vanished_and_keeps_what_is_newer_than_itself() -> None:
    cache = KindCache(JOBS)
    for body in (job(1, "a-run-1"), job(2, "b-run-1"), job(9, "c-run-1")):
        cache.put(body)
    changed = cache.repair(Listing((job(4, "b-run-1"),), 5))
    assert known(cache) == {"b-run-1": 4, "c-run-1": 9}
    assert changed == {("team", "a-run-1"), ("team", "b-run-1")}


def test_children_are_found_by_their_resource() -> None:
    cache = KindCache(JOBS)
    cache.put(job(1, "a-run-1", owner="a"))
    cache.put(job(2, "a-run-2", owner="a"))
    cache.put(job(3, "b-run-1", owner="b"))
    assert len(cache.of_resource("team", "a")) == 2
    cache.put(job(4, "a-run-2", owner="b"))
    assert len(cache.of_resource("team", "a")) == 1
    cache.remove(job(5, "a-run-1", owner="a"))
    assert cache.of_resource("team", "a") == []
    assert cache.of_resource("other", "b") == []


def test_a_watch_that_delivered_everything_has_missed_nothing() -> None:
    cache = KindCache(JOBS)
    cache.saw_event("ADDED", job(3))
    assert cache.missed_by_watch(Listing((job(3),), 4)) == set()


def test_a_deaf_watch_is_found_out_even_after_a_repair() -> None:
    cache = KindCache(JOBS)
    cache.saw_event("ADDED", job(3))
    listing = Listing((job(7), job(8, "b-run-1")), 9)
    assert cache.missed_by_watch(listing) == {("team", "a-run-1"), ("team", "b-run-1")}
    cache.repair(listing)
    assert cache.missed_by_watch(listing) == {("team", "a-run-1"), ("team", "b-run-1")}
    cache.saw_event("MODIFIED", job(7))
    cache.saw_event("ADDED", job(8, "b-run-1"))
    assert cache.missed_by_watch(listing) == set()


def test_a_deletion_that_the_watch_has_not_told_is_missed_too() -> None:
    cache = KindCache(JOBS)
    cache.saw_event("ADDED", job(3))
    assert cache.missed_by_watch(Listing((), 5)) == {("team", "a-run-1")}


def test_what_nobody_reads_is_not_kept() -> None:
    cache = KindCache(JOBS)
    cache.put(job(1))
    assert all("managedFields" not in body["metadata"] for body in cache)
