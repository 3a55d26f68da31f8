"""The life of one container: pull, configure, start, wait, and start again as the pod's policy says."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sandbox.node.api import ApiError, ApiUnavailableError
from sandbox.node.backoff import Backoff
from sandbox.node.context import NodeContext
from sandbox.node.environment import ConfigError, references
from sandbox.node.images import Image, is_valid_reference, pull_error
from sandbox.node.launch import Launch, prepare_launch
from sandbox.node.logfile import termination_message
from sandbox.node.process import ContainerProcess, StartError
from sandbox.node.records import ContainerRecord, Running, Terminated, Waiting
from sandbox.node.rootfs import RootfsError
from sandbox.node.volumes import PodVolumes, fetch_objects

START_ERROR_CODE = 128
ERR_IMAGE_PULL_SECONDS = 2
TERMINATION_LOG_REPLACED = (
    "the termination log was replaced by another file and is lost: on a real node it is a mount, which a rename "
    "cannot replace (EBUSY); write into the existing file"
)

T = TypeVar("T")


class PodScope(Protocol):
    """What a container needs from its pod."""

    @property
    def pod(self) -> dict[str, Any]: ...
    @property
    def stopping(self) -> bool: ...
    def publish(self) -> None:
        """Write the pod's status soon."""

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the moment the pod is stopped."""


def should_restart(policy: str, exit_code: int, init: bool) -> bool:
    """Whether a container that ended runs again; an init container that succeeded never does."""
    if policy == "Always" and not init:
        return True
    return policy in ("Always", "OnFailure") and exit_code != 0


class ContainerRunner:
    """Runs one container of a pod until its policy, or the pod's end, says it is over."""

    def __init__(
        self,
        context: NodeContext,
        scope: PodScope,
        spec: dict[str, Any],
        record: ContainerRecord,
        volumes: PodVolumes,
        *,
        init: bool = False,
    ) -> None:
        self.spec = spec
        self.record = record
        self.process: ContainerProcess | None = None
        self.oom = False
        """Set before killing: the end is then reported as OOMKilled."""
        self._context = context
        self._scope = scope
        self._volumes = volumes
        self._init = init
        self._image_backoff = Backoff(context.timing.image_backoff_first, context.timing.image_backoff_cap)

    def log_file(self, instance: int) -> Path:
        """The output of the instance with this restart count."""
        uid = self._scope.pod["metadata"]["uid"]
        return self._context.pod_dir(uid) / "logs" / self.record.name / f"{instance}.log"

    def event(self, kind: str, reason: str, message: str) -> None:
        field = "initContainers" if self._init else "containers"
        self._context.events.pod(self._scope.pod, kind, reason, message, f"spec.{field}{{{self.record.name}}}")

    async def run(self) -> None:
        """Return when the container is over for good, or the pod is being stopped."""
        policy = self._scope.pod["spec"].get("restartPolicy", "Always")
        timing = self._context.timing
        backoff, first = Backoff(timing.crash_backoff_first, timing.crash_backoff_cap), True
        while not self._scope.stopping:
            began = time.monotonic()
            ended = await self._run_once()
            if ended is None or self._scope.stopping or not should_restart(policy, ended.exit_code, self._init):
                return
            if time.monotonic() - began > 2 * timing.crash_backoff_cap:
                backoff.reset()
                first = True
            # As with a kubelet the first restart is immediate.
            if not first:
                await self._back_off(backoff.next(), ended)
            first = False

    async def _back_off(self, seconds: float, ended: Terminated) -> None:
        metadata = self._scope.pod["metadata"]
        pod = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        self.record.last = ended
        text = f"back-off {seconds:g}s restarting failed container={self.record.name} pod={pod}"
        self.record.state = Waiting("CrashLoopBackOff", text)
        self.event("Warning", "BackOff", f"Back-off restarting failed container {self.record.name} in pod {pod}")
        self._scope.publish()
        await self._scope.pause(seconds)
        if self._scope.stopping:
            self.record.state = ended

    async def _run_once(self) -> Terminated | None:
        """One instance from pull to end; None when the pod was stopped before it started."""
        previous = self.record.state if isinstance(self.record.state, Terminated) else self.record.last
        image = await self._until_ready(self._pull)
        launch = await self._until_ready(lambda: self._configure(image)) if image else None
        # From here to the start nothing is awaited, so a stop is either seen here or finds the process.
        if image is None or launch is None or self._scope.stopping:
            return None
        if previous is not None:
            self.record.restarts += 1
            self.record.last = previous
        return await self._execute(image, launch)

    async def _until_ready(self, step: Callable[[], Awaitable[T | None]]) -> T | None:
        while not self._scope.stopping:
            result = await step()
            if result is not None:
                return result
        return None

    async def _pull(self) -> Image | None:
        name = self.spec["image"]
        if not is_valid_reference(name):
            cause = f'couldn\'t parse image name "{name}": invalid reference format'
            message = f'Failed to apply default image tag "{name}": {cause}'
            self._wait_for("InvalidImageName", message, ("Warning", "InspectFailed", message))
            await self._scope.pause(self._image_backoff.next())
            return None
        found = self._context.images.find(name)
        policy = self.spec.get("imagePullPolicy", "IfNotPresent")
        if found and policy == "Always":
            self.event("Normal", "Pulling", f'Pulling image "{name}"')
            text = f'Successfully pulled image "{name}" in 1ms (1ms including waiting). Image size: 0 bytes.'
            self.event("Normal", "Pulled", text)
        elif found:
            self.event("Normal", "Pulled", f'Container image "{name}" already present on machine')
        elif policy == "Never":
            text = f'Container image "{name}" is not present with pull policy of Never'
            self._wait_for("ErrImageNeverPull", text, ("Warning", "ErrImageNeverPull", text))
            await self._scope.pause(self._image_backoff.next())
        else:
            await self._fail_to_pull(name)
        return found

    async def _fail_to_pull(self, name: str) -> None:
        error = pull_error(name)
        self.event("Normal", "Pulling", f'Pulling image "{name}"')
        self.event("Warning", "Failed", f'Failed to pull image "{name}": {error}')
        self._wait_for("ErrImagePull", error, ("Warning", "Failed", "Error: ErrImagePull"))
        seconds = self._image_backoff.next()
        await self._scope.pause(ERR_IMAGE_PULL_SECONDS)
        text = f'Back-off pulling image "{name}"'
        self.event("Normal", "BackOff", text)
        self._wait_for(
            "ImagePullBackOff", f"{text}: ErrImagePull: {error}", ("Warning", "Failed", "Error: ImagePullBackOff")
        )
        await self._scope.pause(seconds - ERR_IMAGE_PULL_SECONDS)

    async def _configure(self, image: Image) -> Launch | None:
        try:
            namespace = self._scope.pod["metadata"]["namespace"]
            objects = await fetch_objects(self._context, namespace, references(self.spec))
            return prepare_launch(self._context, self._scope.pod, self.spec, image, objects, self._volumes)
        except (ConfigError, RootfsError, ApiError, ApiUnavailableError, OSError) as error:
            self._wait_for("CreateContainerConfigError", str(error), ("Warning", "Failed", f"Error: {error}"))
            await self._scope.pause(self._context.timing.config_retry)
            return None

    async def _execute(self, image: Image, launch: Launch) -> Terminated:
        record = self.record
        record.image_id = image.image_id
        record.container_id = f"sandbox://{launch.container_id}"
        log = self.log_file(record.restarts)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        self.event("Normal", "Created", "Container created")
        try:
            self.process = self._start(launch, log)
        except StartError as error:
            self.event("Warning", "Failed", f"Error: {error}")
            now = datetime.now(UTC)
            return self._ended(Terminated(START_ERROR_CODE, "StartError", str(error), None, now, record.container_id))
        started = datetime.now(UTC)
        record.state = Running(started)
        self.event("Normal", "Started", "Container started")
        self._scope.publish()
        code = await self.process.wait()
        self.process = None
        policy = self.spec.get("terminationMessagePolicy", "File")
        message = termination_message(launch.rootfs.termination_log, log, policy, code)
        if launch.rootfs.termination_log_replaced(self.spec):
            self.event("Warning", "TerminationLogReplaced", TERMINATION_LOG_REPLACED)
        reason = "OOMKilled" if self.oom else "Completed" if code == 0 else "Error"
        self.oom = False
        return self._ended(Terminated(code, reason, message, started, datetime.now(UTC), record.container_id))

    def _start(self, launch: Launch, log: Path) -> ContainerProcess:
        return ContainerProcess.start(
            launch.argv, launch.env, launch.cwd, log, self._context.instance, launch.container_id
        )

    def _ended(self, terminated: Terminated) -> Terminated:
        self.record.state = terminated
        self._scope.publish()
        return terminated

    def _wait_for(self, reason: str, message: str, event: tuple[str, str, str]) -> None:
        if isinstance(self.record.state, Terminated):
            self.record.last = self.record.state
        self.record.state = Waiting(reason, message)
        self.event(*event)
        self._scope.publish()
