"""Environment and command line of a container."""

import base64
from pathlib import Path
from typing import Any

import pytest
from sandbox.node.environment import (
    ConfigError,
    EnvContext,
    ObjectRef,
    Objects,
    command_line,
    expand,
    references,
    resolve_env,
)
from sandbox.node.paths import PathMap

POD: dict[str, Any] = {
    "metadata": {
        "name": "p",
        "namespace": "ns",
        "uid": "u-1",
        "labels": {"visionft.dev/run": "3"},
        "annotations": {"note": "hello"},
    },
    "spec": {
        "nodeName": "n",
        "serviceAccountName": "trainer",
        "containers": [{"name": "c", "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}}}],
    },
}
CONFIG = ObjectRef("ConfigMap", "settings")
SECRET = ObjectRef("Secret", "hub")
OBJECTS: Objects = {
    CONFIG: {"data": {"rate": "2e-4", "DIR": "/data/in"}},
    SECRET: {"data": {"HF_TOKEN": base64.b64encode(b"hf_x").decode()}},
}
PATHS = PathMap.of(Path("/r"), ["/data"])


def resolve(container: dict[str, Any], objects: Objects = OBJECTS) -> dict[str, str]:
    context = EnvContext(POD, objects, {"memory": "1Gi", "cpu": "8"}, "127.0.0.1")
    return resolve_env({"name": "c", **container}, context, PATHS)


def from_source(**source: Any) -> dict[str, Any]:
    return {"env": [{"name": "V", "valueFrom": source}]}


def test_values_expand_earlier_variables_and_paths_are_rewritten() -> None:
    env = [
        {"name": "ROOT", "value": "/data"},
        {"name": "TRAIN", "value": "$(ROOT)/train"},
        {"name": "PRICE", "value": "$$(ROOT) $(LATER)"},
        {"name": "LATER", "value": "x"},
    ]
    assert resolve({"env": env}) == {
        "ROOT": "/r/data",
        "TRAIN": "/r/data/train",
        "PRICE": "$(ROOT) $(LATER)",
        "LATER": "x",
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "ns"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['visionft.dev/run']", "3"),
        ("metadata.annotations['note']", "hello"),
        ("spec.nodeName", "n"),
        ("spec.serviceAccountName", "trainer"),
        ("status.podIP", "127.0.0.1"),
        ("status.hostIP", "127.0.0.1"),
    ],
)
def test_field_references(path: str, expected: str) -> None:
    assert resolve(from_source(fieldRef={"fieldPath": path})) == {"V": expected}


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "requests.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "limits.memory"}, str(2**30)),
        ({"resource": "requests.cpu"}, "0"),
    ],
    ids=["rounded-up", "divisor", "request", "limit-unset-is-the-node", "request-unset-is-zero"],
)
def test_resource_references(ref: dict[str, str], expected: str) -> None:
    assert resolve(from_source(resourceFieldRef=ref)) == {"V": expected}


def test_keys_of_config_maps_and_secrets() -> None:
    env = [
        {"name": "RATE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "rate"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "HF_TOKEN"}}},
        {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "k", "optional": True}}},
    ]
    assert resolve({"env": env}) == {"RATE": "2e-4", "TOKEN": "hf_x"}


def test_whole_objects_with_prefix_and_env_wins() -> None:
    container = {
        "envFrom": [
            {"prefix": "S_", "configMapRef": {"name": "settings"}},
            {"secretRef": {"name": "x", "optional": True}},
        ],
        "env": [{"name": "S_rate", "value": "1"}],
    }
    assert resolve(container) == {"S_DIR": "/r/data/in", "S_rate": "1"}


@pytest.mark.parametrize(
    ("container", "message"),
    [
        (from_source(configMapKeyRef={"name": "gone", "key": "k"}), 'configmap "gone" not found'),
        (from_source(secretKeyRef={"name": "hub", "key": "k"}), "couldn't find key k in Secret ns/hub"),
        ({"envFrom": [{"secretRef": {"name": "gone"}}]}, 'secret "gone" not found'),
        (from_source(fieldRef={"fieldPath": "spec.hostname"}), "unsupported fieldPath: spec.hostname"),
    ],
    ids=["config-map", "key", "envFrom", "field"],
)
def test_what_is_missing_is_named(container: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(container)
    assert str(caught.value) == message


def test_references_lists_all_that_must_be_fetched() -> None:
    container = {
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "env": [
            {"name": "T", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "HF_TOKEN"}}},
            {"name": "A", "value": "b"},
        ],
    }
    assert references(container) == {CONFIG, SECRET}


def test_command_line_begins_with_the_image_and_is_expanded_and_rewritten() -> None:
    container = {"command": ["run", "$(FILE)"], "args": ["/data/x", "--to=$(DIR)", "$(NOPE)"]}
    env = {"FILE": "/data/f", "DIR": "/r/data"}
    expected = ["sh", "run", "/r/data/f", "/r/data/x", "--to=/r/data", "$(NOPE)"]
    assert command_line(container, ["sh"], env, PATHS) == expected


def test_two_dollar_signs_are_one() -> None:
    assert expand("$$(A) $$$(A) $A", {"A": "1"}) == "$(A) $1 $A"
