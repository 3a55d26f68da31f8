"""Base models that are broken, and base models that come from a hub."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.tiny_spec import tiny_spec
from visionft_trainer.errors import BadConfigError, BadModelError, RunError
from visionft_trainer.model import load
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as source

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def load_all(tmp_path: Path, settings: Settings, **sections: Any) -> Any:
    spec = tiny_spec(tmp_path, **sections)
    files = source.locate(spec.model, settings)
    load.load_processor(files, spec)
    return load.load_model(files, spec, torch.device("cpu"))


def cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def garble_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 5000)


def drop_tensors(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if ".layers.1." not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def wrong_shapes(folder: Path) -> None:
    edit(folder, lambda config: config["text_config"].update(intermediate_size=96))


def wrong_heads(folder: Path) -> None:
    edit(folder, lambda config: config["text_config"].update(num_key_value_heads=1))


def wrong_tower(folder: Path) -> None:
    edit(folder, lambda config: config["vision_config"].update(embed_dim=64))


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def garble_processor(folder: Path) -> None:
    (folder / "processor_config.json").write_text("{")


def garble_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def drop_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (cut_weights, "the weights cannot be loaded"),
        (garble_weights, "the weights cannot be loaded"),
        (drop_tensors, "the weights lack"),
        (wrong_shapes, "the weights' model.layers.0.mlp.up_proj.weight is (128, 64), and by config.json (96, 64)"),
        (
            wrong_heads,
            "the weights cannot be loaded (model.language_model.layers.0.self_attn.k_proj.bias is (32,), ",
        ),
        (wrong_tower, "the weights cannot be loaded (model.visual."),
        (garble_processor, "the processor cannot be loaded"),
        (garble_tokenizer, "the processor cannot be loaded"),
        (drop_template, "there is no chat template"),
    ],
)
@pytest.mark.parametrize("quantization", ["nf4", "none"])
def test_broken_model_is_refused(
    model_copy: tuple[Path, Settings], tmp_path: Path, damage: Any, complaint: str, quantization: str
) -> None:
    folder, settings = model_copy
    damage(folder)
    with pytest.raises(BadModelError) as error:
        load_all(tmp_path, settings, model={"quantization": quantization})
    assert f"pvc://models/tiny: {complaint}" in str(error.value)
    assert "Copy" in str(error.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda config: config.pop("text_config"), "config.json has no text_config, so that the size"),
        (lambda config: config.pop("vision_config"), "config.json has no vision_config, so that the vision tower"),
        (
            lambda config: config["text_config"].clear(),
            "config.json lacks text_config.vocab_size, which by default is 152",
        ),
        (
            lambda config: config["text_config"].pop("hidden_size"),
            "the weights' model.embed_tokens.weight is (263, 64), and by config.json (263, 8192): config.json lacks "
            "text_config.hidden_size, which by default is 8192",
        ),
        (
            lambda config: [config["text_config"].pop(key) for key in ("num_hidden_layers", "layer_types")],
            "the weights have 2 layers, and config.json lacks text_config.num_hidden_layers, which by default is 80",
        ),
        (
            lambda config: config["text_config"].update(num_hidden_layers=1, layer_types=None),
            "its num_hidden_layers is 1",
        ),
        (lambda config: config["text_config"].update(hidden_size="wide"), "'hidden_size' expected int"),
    ],
)
def test_a_model_of_another_size_is_refused_before_it_is_built(
    model_copy: tuple[Path, Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[dict[str, Any]], Any],
    complaint: str,
) -> None:
    folder, settings = model_copy
    edit(folder, change)
    spec = tiny_spec(tmp_path)
    files = source.locate(spec.model, settings)
    monkeypatch.setattr(type(files.family), "model_class", lambda self: pytest.fail("it was built"))
    with pytest.raises(BadModelError) as error:
        load.load_model(files, spec, torch.device("cpu"))
    assert str(error.value).startswith("pvc://models/tiny: ")
    assert complaint in str(error.value)
    assert str(error.value).endswith("Copy config.json and the weights of the same model again.")


def test_gpu_that_is_not_there_is_told(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for gpus in (1, 2):
        spec = tiny_spec(tmp_path, resources={"gpus": gpus})
        complaint = rf"spec\.resources\.gpus: {gpus}, but no CUDA GPU .* set spec\.resources\.gpus to 0"
        with pytest.raises(BadConfigError, match=complaint):
            load.choose_device(spec, settings)
        assert load.choose_device(spec, Settings(device="cpu")).type == "cpu"


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub's protocol as fetching a model's files takes."""

    folder: Path
    tokens: list[str | None]
    paths: list[str]

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        self.tokens.append(self.headers.get("Authorization"))
        path = self.path.partition("?")[0]
        names = sorted(file.name for file in self.folder.iterdir())
        self.paths.append(path)
        if path.startswith("/api/models/org/tiny/revision/"):
            siblings = [{"rfilename": name} for name in names]
            self._json({"id": "org/tiny", "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}, body)
        elif path.startswith("/api/models/org/tiny/tree/"):
            tree = [
                {"type": "file", "path": name, "size": (self.folder / name).stat().st_size, "oid": name}
                for name in names
            ]
            self._json(tree, body)
        elif path.startswith("/org/tiny/resolve/") and (self.folder / path.rsplit("/", 1)[1]).is_file():
            data = (self.folder / path.rsplit("/", 1)[1]).read_bytes()
            self._send(200, data, body, {"ETag": f'"{sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT})
        else:
            self._send(404, b"{}", body, {"X-Error-Code": "RepoNotFound"})

    def _json(self, value: Any, body: bool) -> None:
        self._send(200, json.dumps(value).encode(), body, {"Content-Type": "application/json"})

    def _send(self, status: int, data: bytes, body: bool, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def hub(folder: Path) -> Iterator[tuple[str, type[Hub]]]:
    handler = type("ThisHub", (Hub,), {"folder": folder, "tokens": [], "paths": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


FETCH = """
import sys
from pathlib import Path
from visionft_api.spec import ModelSpec
from visionft_trainer.sources import model as source
from visionft_trainer.errors import RunError
from visionft_trainer.settings import Settings
try:
    name, *rest = sys.argv[1:]
    weights = "without-weights" not in rest
    commit = [word for word in rest if word != "without-weights"]
    files = source.locate(ModelSpec(name=name), Settings(), *commit, weights=weights)
except RunError as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(files.identity, files.revision, *sorted(file.name for file in files.folder.iterdir()))
"""


def fetch(tmp_path: Path, endpoint: str, *arguments: str) -> tuple[int, str]:
    """In a process of its own: the hub's client reads its address when it is imported."""
    import os
    import subprocess
    import sys

    env = os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": "s3cret"}
    done = subprocess.run(
        [sys.executable, "-c", FETCH, *arguments], capture_output=True, text=True, env=env, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def test_a_check_downloads_no_weights(place: Path, tmp_path: Path) -> None:
    with hub(place / "models" / "tiny") as (endpoint, seen):
        status, text = fetch(tmp_path, endpoint, "org/tiny", "without-weights")
        assert status == 0, text
        assert "tokenizer.json" in text
        assert not [path for path in seen.paths if path.endswith(".safetensors")]


def test_model_by_name_comes_from_the_hub(place: Path, tmp_path: Path) -> None:
    (place / "models" / "tiny" / "evil.py").write_text("raise SystemExit")
    with hub(place / "models" / "tiny") as (endpoint, seen):
        status, text = fetch(tmp_path, endpoint, "org/tiny")
        assert status == 0, text
        assert text.startswith(f"org/tiny {COMMIT} chat_template.jinja config.json")
        assert "model.safetensors" in text
        assert "evil.py" not in text
        assert "Bearer s3cret" in seen.tokens
        assert "/api/models/org/tiny/revision/main" in seen.paths

        seen.paths.clear()
        status, text = fetch(tmp_path / "fresh", endpoint, "org/tiny", COMMIT)
        assert status == 0, text
        assert "/api/models/org/tiny/revision/main" not in seen.paths

        status, text = fetch(tmp_path, endpoint, "org/other")
        assert status == 1
        assert "BadModelError: spec.model.name: the hub has no model org/other, or it is private" in text


def test_hub_that_does_not_answer_is_worth_another_try(tmp_path: Path) -> None:
    status, text = fetch(tmp_path, "http://127.0.0.1:9", "org/tiny")
    assert status == 1
    assert "RunError: spec.model.name: org/tiny could not be fetched from the hub" in text
    assert RunError.exit_code == 1
