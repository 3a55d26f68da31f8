"""Every place comes from the environment or a flag."""

from decimal import Decimal
from pathlib import Path

import pytest
from visionft_trainer import libraries
from visionft_trainer.errors import BadConfigError
from visionft_trainer.libraries import threads
from visionft_trainer.settings import Settings
from visionft_trainer.sources.places import claim_folder, in_claim


def test_environment_of_a_pod() -> None:
    settings = Settings.from_environment(
        {
            "VISIONFT_PVC_ROOT": "/pvc",
            "VISIONFT_REPORT_URL": "https://host/report",
            "VISIONFT_REPORT_TOKEN_FILE": "/token",
            "VISIONFT_REPORT_CA_FILE": "/ca.crt",
            "VISIONFT_TERMINATION_LOG": "/log",
        }
    )
    assert settings == Settings(
        pvc_root=Path("/pvc"),
        report_url="https://host/report",
        report_token_file=Path("/token"),
        report_ca_file=Path("/ca.crt"),
        termination_log=Path("/log"),
    )


def test_workstation_has_flags() -> None:
    settings = Settings.from_environment({"VISIONFT_DEVICE": "cuda"}, ["data=./a=b"], "cpu")
    assert settings.claims == {"data": Path("a=b")}
    assert settings.device == "cpu"
    assert settings.termination_log is None


@pytest.mark.parametrize("flag", ["data", "=dir", "data="])
def test_wrong_claim_flag(flag: str) -> None:
    with pytest.raises(BadConfigError, match=f"--pvc {flag}: write it as CLAIM=DIR"):
        Settings.from_environment({}, [flag])


def test_wrong_device() -> None:
    with pytest.raises(BadConfigError, match="VISIONFT_DEVICE is 'tpu'; use one of auto, cpu, cuda"):
        Settings.from_environment({"VISIONFT_DEVICE": "tpu"})


def test_claims_are_folders_below_the_root_unless_named(tmp_path: Path) -> None:
    for name in ("a", "b", "elsewhere"):
        (tmp_path / name).mkdir()
    settings = Settings(pvc_root=tmp_path, claims={"b": tmp_path / "elsewhere"})
    assert claim_folder(settings, "a", "spec.x") == tmp_path / "a"
    assert in_claim(settings, "b", "x/y", "spec.x") == tmp_path / "elsewhere" / "x" / "y"


@pytest.mark.parametrize("path", ["../b", "x/../../b", "/etc", "link/x"])
def test_paths_stay_in_their_claim(tmp_path: Path, path: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    with pytest.raises(BadConfigError, match=r"spec\.x: .* leads out of the claim 'a'"):
        in_claim(Settings(pvc_root=tmp_path), "a", path, "spec.x")


@pytest.mark.parametrize(
    ("allowed", "present", "expected"), [("2", 64, 2), ("8", 2, 2), ("500m", 4, 1), ("1500m", 4, 1)]
)
def test_threads(allowed: str, present: int, expected: int) -> None:
    from visionft_api.quantities import parse_cpu

    assert threads(Decimal(parse_cpu(allowed)), present) == expected


@pytest.mark.parametrize(
    ("device", "gpus", "visible"), [("auto", 0, ""), ("auto", 1, "0"), ("cpu", 1, ""), ("cuda", 0, "0")]
)
def test_one_gpu_is_seen_or_none(device: str, gpus: int, visible: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from visionft_api.spec import ResourcesSpec

    monkeypatch.setattr(libraries, "quiet", lambda: None)
    monkeypatch.setattr(libraries.os, "environ", environment := {})
    libraries.prepare(ResourcesSpec(gpus=gpus, cpu="2"), device)
    assert environment["CUDA_VISIBLE_DEVICES"] == visible
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    environment["CUDA_VISIBLE_DEVICES"] = "3"
    libraries.prepare(ResourcesSpec(gpus=gpus), device)
    assert environment["CUDA_VISIBLE_DEVICES"] == "3"


def test_what_the_operator_says_of_results() -> None:
    settings = Settings.from_environment(
        {
            "VISIONFT_WORKSPACE": "/work",
            "VISIONFT_IMAGE": "registry/trainer@sha256:12",
            "VISIONFT_SECRET_OUTPUT_OCI_DOCKERCONFIGJSON": "/secrets/config.json",
            "VISIONFT_SECRET_OUTPUT_HUB_HF_TOKEN": "hf_1",
        }
    )
    assert (settings.workspace, settings.image) == (Path("/work"), "registry/trainer@sha256:12")
    assert settings.docker_config == Path("/secrets/config.json")
    assert settings.secret("output_hub", "HF_TOKEN") == "hf_1"
    assert settings.secret("output_s3", "AWS_ACCESS_KEY_ID") is None
