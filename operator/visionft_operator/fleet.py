"""What the metrics show of all resources: the `FleetView`, answered from the cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from visionft_api.conditions import ConditionType, find_condition

from visionft_operator.cache import Cache
from visionft_operator.freshness import Freshness
from visionft_operator.gather import read_status
from visionft_operator.ingest.store import ReportStore
from visionft_operator.kube import VISION_FINE_TUNES
from visionft_operator.merging import deeply_over
from visionft_operator.metrics import LatestRun


class CacheFleet:
    """Implements `metrics.FleetView`."""

    def __init__(self, cache: Cache, reports: ReportStore, freshness: Freshness) -> None:
        self._cache = cache
        self._reports = reports
        self._freshness = freshness

    def phases(self) -> Mapping[str, int]:
        """Return how many resources are in each phase that any is in. Not looked at yet counts as Pending."""
        return Counter(body.get("status", {}).get("phase", "Pending") for body in self._cache[VISION_FINE_TUNES])

    def runs(self) -> Iterator[LatestRun]:
        """Return the latest run of each resource, with what it reported last or has left."""
        for body in self._cache[VISION_FINE_TUNES]:
            metadata = body["metadata"]
            try:
                status = read_status(body)
            except ValueError:  # the reconcile says so in the log; a scrape must not fail for it
                continue
            if not status.run:
                continue
            succeeded = find_condition(status.conditions, ConditionType.SUCCEEDED)
            report = self._reports.latest(metadata["uid"], status.run)
            yield LatestRun(
                namespace=metadata["namespace"],
                name=metadata["name"],
                run=status.run,
                live=succeeded is not None and succeeded.status == "Unknown",
                progress=report.progress if report else status.progress,
                evaluation=deeply_over(status.evaluation, report.evaluation if report else None),
            )

    def watch_staleness(self) -> Mapping[str, float]:
        """Return for each watched kind the seconds since its watch was last known to be up to date."""
        _, ages = self._freshness.report()
        return {name.removeprefix("watch/"): age for name, age in ages.items() if name.startswith("watch/")}
