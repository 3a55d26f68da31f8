"""Who may report: the report server's `Directory`, answered from the cache."""

from __future__ import annotations

from visionft_operator.cache import Cache
from visionft_operator.ingest.ports import CurrentRun
from visionft_operator.kube import JOBS, PODS, VISION_FINE_TUNES
from visionft_operator.names import check_name, child_name


class CacheDirectory:
    """Implements `ingest.ports.Directory`."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def current_run(self, namespace: str, name: str) -> CurrentRun | None:
        """Return the resource's current run, None when there is no such resource or it has no run yet."""
        resource = self._cache[VISION_FINE_TUNES].get(namespace, name)
        if resource is None:
            return None
        run = resource.get("status", {}).get("run")
        if not run:
            return None
        jobs = self._cache[JOBS]
        job = jobs.get(namespace, child_name(name, run)) or jobs.get(namespace, check_name(name, run))
        uid = None if job is None else job["metadata"]["uid"]
        return CurrentRun(uid=resource["metadata"]["uid"], run=run, job_uid=uid)

    def pod_job_uid(self, namespace: str, pod_name: str, pod_uid: str) -> str | None:
        """Return the uid of the Job that controls this pod, None when there is no such pod or Job."""
        pod = self._cache[PODS].get(namespace, pod_name)
        if pod is None or pod["metadata"]["uid"] != pod_uid:
            return None
        owners = pod["metadata"].get("ownerReferences", [])
        return next((o["uid"] for o in owners if o.get("controller") and o["kind"] == "Job"), None)
