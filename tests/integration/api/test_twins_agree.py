"""The CEL of the API server and its twins on a workstation agree on values at the edges, in many combinations."""

import random
from typing import Any

import pytest
from integration.api.client import ApiServer
from visionft_api.manifest_yaml import dump_yaml
from visionft_api.parse import ManifestError, parse_manifest

ABSENT = object()
DECIMALS = [
    "0",
    "0.0",
    "1e-9",
    "0.999999999",
    "1",
    "1.0",
    "10e-1",
    "1.000000001",
    "2",
    "1E2",
    "10000",
    "10001",
    ".5",
    "-1",
]
DURATIONS = ["0s", "1s", "60s", "1m", "59m60s", "1h", "60m", "99999h", "1h0m1s", "1d", "h", "1s1m"]
SIZES = ["0", "1", "0.5Mi", "255Mi", "256Mi", "268435456", "0.25Gi", "1Gi", "1024Mi", "1073741825", "1G", "1g", "400m"]
KEYS = [
    "a",
    "a/b",
    "A.b-c_d",
    "x.y/z",
    "/a",
    "a/",
    "-a",
    "a-",
    "a b",
    "visionft.dev/x",
    "visionft.dev",
    "a" * 63,
    "a" * 64,
]
KEYS += ["app.kubernetes.io/managed-by", "app.kubernetes.io/name", "kueue.x-k8s.io/q", "x" * 253 + "/n", "é"]
PATHS = [
    ".",
    "./",
    "a",
    "a/b",
    "./a",
    ".a",
    "..",
    "a/..",
    "a/../b",
    "..a",
    "a..b",
    "a/..b",
    "/a",
    "a/",
    "a//b",
    "a b",
    " a",
    "a\n",
    "…",
]
GATES = ["cer <= 0.05", "cer<1", "wer <= 1", "wer > 0.1", "exactMatch >= 1.0", "exactMatch >= 1.01", "exactMatch < 0.5"]
GATES += ["cer <= 1e-3", "cer <=  0.5", "cer < 100", "cer == 1", "cer <= 0.05 ", "cer < baseline", "cer > baseline"]
GATES += ["cer <= baseline", "wer<baseline", "exactMatch>baseline", "ciderD >= 10", "ciderD >= 10.1", "fieldF1 >= 2e-1"]
GATES += ["fieldF1 < baseline", "bleu > baseline9", "baseline > bleu"]
URIS = [
    "pvc://a",
    "pvc://a/",
    "pvc://a/b",
    "pvc://a.b/c",
    "pvc://A/b",
    "pvc://a/../b",
    "pvc:///b",
    "s3://b/k",
    "pvc://a//b",
]
BOOLEANS = [True, False]
SOURCES = [{"pvc": {"claimName": "d", "path": "p"}}, {}, {"hub": {"repo": "o/d"}, "configMap": {"name": "c"}}]

CHOICES: dict[str, list[Any]] = {
    "model.uri": [*URIS, ABSENT],
    "model.name": ["o/m", ABSENT, ABSENT],
    "model.revision": ["main", "a" * 40, "A" * 40, f"sha256:{'0' * 64}", f"sha256:{'0' * 63}", ABSENT, ABSENT, ABSENT],
    "model.trustRemoteCode": BOOLEANS,
    "dataset.validation": [*SOURCES, ABSENT, SOURCES[0], SOURCES[0]],
    "dataset.train.pvc.path": PATHS,
    "dataset.format": ["messages", "conversations", "vqa", "columns", "table"],
    "dataset.columns": [{}, {"answer": "a.b"}, {"answer": ""}, ABSENT, ABSENT],
    "dataset.systemPrompt": ["é" * 4096, "", "x" * 4097, ABSENT, ABSENT],
    "dataset.promptTemplate": ["{a}", ABSENT, ABSENT],
    "dataset.promptTemplates": [[], ["{a}", "b"], ["b", "b"], [""], ABSENT, ABSENT],
    "dataset.badRows": ["Drop", "drop", ABSENT],
    "dataset.leakage": ["Refuse", "Drop", ABSENT],
    "dataset.augmentation": [
        *({"blur": True, "strength": value} for value in DECIMALS),
        *({"jpeg": True, "maxShift": value} for value in DECIMALS),
        {},
        {"light": False},
        ABSENT,
    ],
    "dataset.image.minPixels": [1, 100, 101, ABSENT],
    "dataset.image.maxPixels": [100, ABSENT],
    "dataset.image.maxBytes": SIZES,
    "adapter.dropout": DECIMALS,
    "adapter.vision": BOOLEANS,
    "adapter.projector": BOOLEANS,
    "adapter.language": BOOLEANS,
    "adapter.attention": BOOLEANS,
    "adapter.mlp": BOOLEANS,
    "adapter.method": ["lora", "full", ABSENT, ABSENT],
    "adapter.rsLoRA": BOOLEANS,
    "adapter.dora": BOOLEANS,
    "adapter.layers": [{}, {"vision": []}, {"vision": ["mlp"]}, {"language": ["mlp", "attention"]}, ABSENT, ABSENT],
    "adapter.modulesToSave": [[], ["lm_head"], ["a.0"], [".a"], ["*"], ABSENT],
    "training.batchSize": [0, 1, 4096, 4097, 2.0, 2.5, "auto", "Auto", "", "4", "x" * 16, "x" * 17, True, [], ABSENT],
    "training.effectiveBatchSize": [1, 0, ABSENT, ABSENT],
    "training.gradientAccumulation": [1, 2, ABSENT],
    "training.optimizer": ["adamw", "adamw8bit", ABSENT],
    "training.packing": BOOLEANS,
    "training.groupByLength": BOOLEANS,
    "training.gradientCheckpointing": ["auto", "on"],
    "training.sharding": ["auto", "ddp", "fsdp"],
    "training.epochs": DECIMALS,
    "training.maxSteps": [1, 0, ABSENT],
    "training.learningRate": DECIMALS,
    "training.visionLearningRate": [*DECIMALS, ABSENT],
    "training.warmupRatio": DECIMALS,
    "training.weightDecay": DECIMALS,
    "training.earlyStopping": [{}, {"minDelta": "-1"}, {"patience": 0}, ABSENT],
    "evaluation.metrics": [
        ["cer"],
        ["cer", "wer"],
        ["exactMatch"],
        ["ciderD", "fieldF1"],
        ["groundedAccuracy"],
        [],
        ABSENT,
    ],
    "evaluation.baseline": BOOLEANS,
    "evaluation.prompts": [[], ["a"], ["{prompt}", "a"], ["a", "a"], [""], ABSENT],
    "evaluation.fewShot": [0, 1, 8, 9, ABSENT],
    "evaluation.visionReliance": BOOLEANS,
    "evaluation.visionSamples": [1, 2, 10_000, 10_001, ABSENT],
    "evaluation.reportSamples": [-1, 0, 200, 201, ABSENT],
    "evaluation.general": [
        *SOURCES,
        *({**SOURCES[0], "format": format} for format in ("vqa", "columns", "table")),
        *({**SOURCES[0], "metrics": metrics} for metrics in ([], ["cer", "cer"], ["ter"])),
        ABSENT,
    ],
    "evaluation.gates": [[], ABSENT, *([gate] for gate in GATES), GATES[:2], GATES[1:5]],
    "evaluation.every": [1, ABSENT],
    "drift": [
        {"schedule": "@daily"},
        {"schedule": "* * * *"},
        {"schedule": "0 3 * * *", "dataset": SOURCES[0]},
        ABSENT,
    ],
    "output.adapter": BOOLEANS,
    "output.merged": BOOLEANS,
    "output.pvc": [{"claimName": "r"}, ABSENT],
    "output.s3": [{"bucket": "b-1"}, ABSENT, ABSENT],
    "output.oci": [{"repository": "r.example/m"}, {"repository": "R"}, ABSENT, ABSENT],
    "output.hub": [
        *({"repo": repo, "secretRef": {"name": "s"}} for repo in ("o/m", "m", "o/m/x", "")),
        {"repo": "o/m"},
        ABSENT,
        ABSENT,
    ],
    "output.mergeBase": ["Dequantized", "Original", "original", ABSENT],
    "output.maxShardSize": [*SIZES, "1Mi", "1048575", "1048576", ABSENT],
    "tracking.tensorboard": BOOLEANS,
    "tracking.mlflow": [
        *({"trackingUri": uri} for uri in ("http://m", "https://m.n:80/p", "file:///m", "m")),
        {"trackingUri": "http://m", "experiment": ""},
        ABSENT,
    ],
    "tracking.wandb": [
        *({"project": "p", "mode": mode} for mode in ("Online", "Offline", "online")),
        {"project": "p", "mode": "Online", "secretRef": {"name": "s"}},
        {"project": ""},
        ABSENT,
    ],
    "resources.gpus": [0, 1],
    "resources.nodes": [1, 2],
    "resources.gpuResourceName": ["a.b/c", "gpu", "a/b/c"],
    "resources.cpu": ["0", "0m", "0.001", "1m", "4", "4.0", "1.0001", ABSENT],
    "resources.memory": [*SIZES, ABSENT],
    "resources.sharedMemory": [*SIZES, ABSENT],
    "podTemplate.labels": [{key: "v"} for key in KEYS],
    "podTemplate.annotations": [{key: "v", "other": "w"} for key in KEYS],
    "podTemplate.nodeSelector": [{key: "v"} for key in KEYS],
    "podTemplate.env": [
        [{"name": name}]
        for name in ("A", "VISIONFT_", "VISIONFT", "KUBEFLOW_X", "HF_TOKEN", "HF_TOKENS", "WANDB_API_KEY", "MLFLOW_X")
    ],
    "podTemplate.tolerations": [
        [{"operator": "Exists"}],
        [{"operator": "Exists", "value": ""}],
        [{"key": "k"}],
        [{}],
        [{"key": "k", "tolerationSeconds": 0}],
        [{"key": "k", "tolerationSeconds": 0, "effect": "NoExecute"}],
    ],
    "runPolicy.activeDeadline": [*DURATIONS, ABSENT],
    "runPolicy.pendingDeadline": [*DURATIONS, ABSENT],
    "runPolicy.rerun": ["", "é" * 32, "é" * 63, "x" * 64, ABSENT],
}
PAIRS: list[dict[str, Any]] = [
    *(
        {"runPolicy.pendingDeadline": a, "runPolicy.activeDeadline": b}
        for a in ("59m", "60m", "1h1s")
        for b in ("1h", "h")
    ),
    *({"resources.sharedMemory": a, "resources.memory": b} for a in ("1Gi", "1025Mi", "1G") for b in ("1024Mi", "1GB")),
    *({"dataset.image.minPixels": a, "dataset.image.maxPixels": 100} for a in (99, 100, 101)),
    *({"resources.nodes": a, "resources.gpus": b} for a in (1, 2) for b in (0, 1)),
    *({"evaluation.metrics": ["wer"], "evaluation.gates": [gate]} for gate in GATES),
    *({"evaluation.metrics": ["ciderD", "fieldF1", "cer"], "evaluation.gates": [gate]} for gate in GATES),
    *({"evaluation.baseline": False, "evaluation.gates": ["cer <= 1", gate]} for gate in GATES[-9:-3]),
    *({"evaluation.baseline": a, "evaluation.prompts": b} for a in BOOLEANS for b in ([], ["a"])),
    *({"evaluation.baseline": a, "evaluation.fewShot": b} for a in BOOLEANS for b in (0, 1)),
    *(
        {"dataset.validation": a, **change}
        for a in (SOURCES[0], ABSENT)
        for change in (
            {"evaluation.prompts": ["a"]},
            {"evaluation.fewShot": 1},
            {"evaluation.general": SOURCES[0]},
        )
    ),
    *({"evaluation.metrics": ["groundedAccuracy"], "dataset.format": a} for a in ("vqa", "grounding")),
    *(
        {"evaluation.general": {**SOURCES[0], "format": a, "columns": {b: "c"}}}
        for a in ("messages", "columns", "grounding", "vqa")
        for b in ("image", "prompt", "answer", "boxes")
    ),
    *({"output.merged": a, "output.mergeBase": b} for a in BOOLEANS for b in ("Dequantized", "Original")),
    *({"output.pvc": ABSENT, **change} for change in ({}, {"output.s3": {"bucket": "b-1"}})),
    *(
        {"output.pvc": a, "output.s3": {"bucket": "b-1"}, "podTemplate.workspaceSizeLimit": b}
        for a in ({"claimName": "r"}, ABSENT)
        for b in ("1Gi", "1GB", ABSENT)
    ),
    *({"adapter.vision": a, "training.visionLearningRate": "1e-5"} for a in BOOLEANS),
    *(
        {"adapter.layers": {part: ["mlp"]}, "training.visionLearningRate": "1e-5", "adapter.vision": a}
        for part in ("vision", "language")
        for a in BOOLEANS
    ),
    *({"adapter.layers": {"language": ["mlp"]}, f"adapter.{name}": False} for name in ("language", "attention", "mlp")),
    *({"training.batchSize": a, "training.gradientAccumulation": b} for a in (2, "auto") for b in (1, 2)),
    *({"training.batchSize": a, "training.effectiveBatchSize": b} for a in (2, "auto") for b in (1, ABSENT)),
    *({"training.packing": a, "training.groupByLength": b} for a in BOOLEANS for b in BOOLEANS),
    *({"training.sharding": "fsdp", "resources.gpus": a, "resources.nodes": b} for a in (0, 1, 2) for b in (1, 2)),
    *({"training.optimizer": a, "resources.gpus": b} for a in ("adamw", "pagedAdamw") for b in (0, 1)),
    *({"training.earlyStopping": {}, "evaluation.every": a} for a in (1, ABSENT)),
    *({"dataset.format": a, "dataset.promptTemplate": "{a}"} for a in ("messages", "vqa", "columns")),
    *({"dataset.format": a, "dataset.promptTemplates": ["{a}"]} for a in ("conversations", "columns")),
    *(
        {"dataset.format": a, "dataset.columns": {b: "c"}}
        for a in ("messages", "columns", "grounding", "vqa")
        for b in ("image", "prompt", "answer", "boxes")
    ),
    *({"dataset.format": "vqa", "dataset.promptTemplates": a, "dataset.promptTemplate": "b"} for a in ([], ["a"])),
    *(
        {"adapter.method": "full", "model.quantization": a, "output.adapter": b, "output.merged": c}
        for a in ("none", "int8")
        for b in BOOLEANS
        for c in BOOLEANS
    ),
    *(
        {"model.trustRemoteCode": True, "model.revision": a, **source}
        for a in ("main", "a" * 40, "A" * 40, f"sha256:{'0' * 64}", ABSENT)
        for source in ({}, {"model.uri": ABSENT, "model.name": "o/m"})
    ),
]
"""Values that a rule compares with each other, at its edge."""
CASES = 220
MOST_CHANGES = 8


def manifests() -> list[dict[str, Any]]:
    """Each value on its own, the pairs, and random combinations that are the same in every run of the test."""
    single = [_manifest({path: value}) for path, values in CHOICES.items() for value in values]
    dice = random.Random(3)
    mixed = []
    for _ in range(CASES):
        paths = dice.sample(sorted(CHOICES), dice.randint(2, MOST_CHANGES))
        mixed.append(_manifest({path: dice.choice(CHOICES[path]) for path in paths}))
    return single + [_manifest(pair) for pair in PAIRS] + mixed


def _manifest(changes: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "model": {"uri": "pvc://models"},
        "dataset": {"train": {"pvc": {"claimName": "d", "path": "t"}}, "validation": SOURCES[0]},
        "output": {"pvc": {"claimName": "r"}},
    }
    for path, value in changes.items():
        *parents, last = path.split(".")
        target = spec
        for parent in parents:
            target[parent] = dict(target.get(parent, {}))
            target = target[parent]
        if value is ABSENT:
            target.pop(last, None)
        else:
            target[last] = value
    return {
        "apiVersion": "visionft.dev/v1alpha1",
        "kind": "VisionFineTune",
        "metadata": {"name": "twin"},
        "spec": spec,
    }


def test_both_take_the_same_and_name_the_same_fields(api_server: ApiServer) -> None:
    disagreements = []
    refused = 0
    for manifest in manifests():
        text = dump_yaml(manifest)
        answer = api_server.create(text)
        there = {cause["field"].replace("[other]", ".other") for cause in answer.causes if cause["field"] != "<nil>"}
        assert answer.code == 201 or there, answer.body
        try:
            here: set[str] = set()
            parse_manifest(text)
        except ManifestError as error:
            here = {problem.field for problem in error.problems}
            refused += 1
        # Where the form is wrong already, the API server applies the rules too; the models do not, so they name less.
        if bool(here) != bool(there) or not here <= there:
            disagreements.append((manifest["spec"], sorted(here), sorted(there)))
    assert disagreements == []
    assert refused > CASES / 2, "the choices should provoke refusals"


@pytest.mark.parametrize("name", ["a", "a" * 50, "a" * 51, "a.b", "1", "0-0", "A", "a_b", "-a", "é"])
def test_names_are_judged_alike(api_server: ApiServer, name: str) -> None:
    text = dump_yaml({**_manifest({}), "metadata": {"name": name}})
    answer = api_server.create(text)
    try:
        parse_manifest(text)
        here = True
    except ManifestError:
        here = False
    assert here == (answer.code == 201), answer.body
