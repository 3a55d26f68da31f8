"""transformers' own KubeflowCallback, unchanged, reports to the real report server over TLS."""

import asyncio
from datetime import UTC, datetime

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import KubeflowCallback
from visionft_operator.ingest.limits import Limits
from visionft_operator.ingest.ports import CurrentRun, Identity
from visionft_operator.ingest.serve import serve
from visionft_operator.ingest.server import build_app
from visionft_operator.ingest.store import ReportStore
from visionft_operator.tls import ServingCertificate


class Everything:
    """Lets the token `good` report for team-a/ocr run 1, and stores certificates nowhere."""

    async def authenticate(self, token: str) -> Identity:
        assert token == "good"
        return Identity("system:serviceaccount:team-a:default", "team-a", "pod", "pod-uid")

    def current_run(self, namespace, name):
        return CurrentRun("uid", 1, "job")

    def pod_job_uid(self, namespace, pod_name, pod_uid):
        return "job"

    async def load(self):
        return None

    async def save(self, data):
        pass


@pytest.fixture
async def store(tmp_path, monkeypatch):
    """The store of a running server, with the environment that the operator gives a pod."""
    everything = Everything()
    certificate = ServingCertificate(everything, "https://localhost:0")
    await certificate.refresh()
    store = ReportStore()
    app = build_app(everything, everything, store, Limits(), lambda key: None, lambda: datetime.now(UTC))
    running = await serve(app, certificate.ssl_context, "127.0.0.1", 0, Limits())
    (tmp_path / "ca.crt").write_text(certificate.ca_pem)
    (tmp_path / "token").write_text("good\n")
    path = "apis/visionft.dev/v1alpha1/namespaces/team-a/visionfinetunes/ocr/runs/1/report"
    # Our own trainer switches the callback off for its process; a test of it may have run in this one.
    monkeypatch.delenv("DISABLE_KUBEFLOW_INTEGRATION", raising=False)
    monkeypatch.setenv("KUBEFLOW_TRAINER_SERVER_URL", f"https://localhost:{running.port}/{path}")
    monkeypatch.setenv("KUBEFLOW_TRAINER_SERVER_CA_CERT", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBEFLOW_TRAINER_SERVER_TOKEN", str(tmp_path / "token"))
    yield store
    await running.close()


async def test_its_reports_become_progress(store, tmp_path):
    arguments = TrainingArguments(output_dir=str(tmp_path), report_to=[], use_cpu=True)
    state, control = TrainerState(max_steps=200), TrainerControl()
    callback = KubeflowCallback()

    def train_begins():
        callback.on_train_begin(arguments, state, control)

    def a_step_is_done():
        state.global_step, state.epoch = 90, 0.45
        callback.on_log(arguments, state, control, logs={"loss": 0.52, "learning_rate": 2e-4, "grad_norm": 1.5})
        callback._last_update_time = 0.0  # It sends every five seconds; the test does not wait for that.
        callback.on_step_end(arguments, state, control)

    def train_ends():
        callback.on_train_end(arguments, state, control)

    await asyncio.to_thread(train_begins)
    begun = store.latest("uid", 1).progress
    assert (begun.percent, begun.total_steps) == (0, 200)

    await asyncio.to_thread(a_step_is_done)
    half = store.latest("uid", 1).progress
    assert (half.percent, half.step, half.total_steps, half.epoch) == (45, 90, 200, "0.450000")
    assert (half.loss, half.learning_rate) == ("0.520000", "0.000200")
    assert half.eta_seconds is not None

    await asyncio.to_thread(train_ends)
    assert store.latest("uid", 1).progress.percent == 100
