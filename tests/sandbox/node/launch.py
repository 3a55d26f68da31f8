"""Everything needed to start one instance of a container, worked out and laid on disk."""

import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.node.context import NodeContext
from sandbox.node.environment import ConfigError, EnvContext, Objects, command_line, expand, resolve_env
from sandbox.node.images import Image
from sandbox.node.paths import PathMap, mounted_paths
from sandbox.node.rootfs import Mount, Rootfs, build_rootfs, link_tmp
from sandbox.node.status import NODE_IP
from sandbox.node.volumes import PodVolumes

HOST_PATH_DIRS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True)
class Launch:
    """One instance of a container, ready to start."""

    container_id: str
    argv: list[str]
    env: dict[str, str]
    cwd: Path
    rootfs: Rootfs


def prepare_launch(
    context: NodeContext,
    pod: dict[str, Any],
    spec: dict[str, Any],
    image: Image,
    objects: Objects,
    volumes: PodVolumes,
) -> Launch:
    """Lay out the root folder and resolve environment and command.

    Raises:
        ConfigError: a variable's source is missing, or there is nothing to run.
        RootfsError: a mount cannot be placed.
    """
    if "restartPolicy" in spec:
        raise ConfigError("the sandbox node runs no containers with a restartPolicy of their own (sidecars)")
    container_id = uuid.uuid4().hex * 2
    base = context.pod_dir(pod["metadata"]["uid"])
    root = base / "rootfs" / spec["name"]
    paths = PathMap.of(root, mounted_paths(spec))
    env = resolve_env(spec, EnvContext(pod, objects, context.allocatable, NODE_IP), paths)
    argv = command_line(spec, image.argv_prefix, env, paths)
    if not argv:
        raise ConfigError("no command specified")
    rootfs = build_rootfs(root, spec, _mounts(spec, volumes, env), base / "termination" / container_id)
    cwd = paths.place(spec.get("workingDir") or "/")
    cwd.mkdir(parents=True, exist_ok=True)
    own = {
        "PATH": ":".join([*image.path_prefix, f"{sys.prefix}/bin", *HOST_PATH_DIRS]),
        "LANG": "C.UTF-8",
        # As in a container, nothing that is written "at home" or to temporary files outlives the pod.
        "HOME": str(root),
        "TMPDIR": str(link_tmp(context.short_tmp(pod["metadata"]["uid"], spec["name"]), paths)),
        "HOSTNAME": pod["metadata"]["name"],
    }
    return Launch(container_id, argv, {**own, **env}, cwd, rootfs)


def _mounts(spec: dict[str, Any], volumes: PodVolumes, env: dict[str, str]) -> list[Mount]:
    mounts = []
    for mount in spec.get("volumeMounts", []):
        name = mount["name"]
        sub_path = mount.get("subPath") or expand(mount.get("subPathExpr", ""), env)
        mounts.append(Mount(mount["mountPath"], volumes.folder(name), sub_path, volumes.is_payload(name)))
    return mounts
