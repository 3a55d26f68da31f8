"""The demo: a cluster, the operator, a VisionFineTune, and what becomes of it. `make demo [KEEP=1] [JSON=path]`.

Everything is real and runs on this machine: a Kubernetes control plane and a node (tests/sandbox), the operator under
its own service account, and the trainer in a pod. Nothing is left running, however it ends.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import signal
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from make_data import TRAIN_LINES, VALIDATION_LINES, make_data
from sandbox.build import BuildError
from sandbox.cluster import Cluster, ClusterError
from screen import DIM, Screen, Table
from summary import print_summary, read_answers
from support.operator import ACCOUNT, NAMESPACE, OperatorError, OperatorProcess
from visionft_api.parse import parse_manifest, parse_resource
from visionft_api.resource import VisionFineTune
from watch import DemoError, View, changes, read_view

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "examples" / "digits.yaml"
CLAIMS = ROOT / "examples" / "digits-claims.yaml"
MODEL = ROOT / "examples" / "demo" / "model"
KEPT = ROOT / ".cache" / "demo"
"""What stays when the cluster's own folder has gone: the page of the run, or the logs of one that failed."""
LIMIT_SECONDS = 20 * 60
HOLD_SECONDS = 1.0
OPERATOR_LINES = 8
"""Of its log, shown when it has ended."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COLUMN_VALUES = {"Phase": "Succeeded", "Progress": "100%", "Loss": "0.0312", "Verdict": "Passed", "Age": "2m31s"}
"""A value of the usual width for each printed column."""


class ToldError(Exception):
    """A failure whose sentence is on the screen."""


class Demo:
    """One demo, from nothing to the summary."""

    def __init__(self, screen: Screen, cluster: Cluster) -> None:
        self._screen = screen
        self._cluster = cluster
        self._operator = OperatorProcess(cluster)
        self._wanted = parse_manifest(MANIFEST.read_text(encoding="utf-8"), str(MANIFEST))
        self.resource: dict[str, Any] | None = None
        """The VisionFineTune as it was last seen."""

    @property
    def namespace(self) -> str:
        """Namespace of the example."""
        return str(self._wanted.metadata.namespace)

    @property
    def name(self) -> str:
        """Name of the example."""
        return self._wanted.metadata.name

    def install(self) -> None:
        """CRD, rights and the operator; the claim with data and model on it."""
        with self._screen.step("API") as step:
            self._operator.install()
            step.outcome = "visionfinetunes.visionft.dev, and the operator's rights"
        with self._screen.step("operator") as step:
            self._operator.start()
            step.outcome = f"runs as service account {NAMESPACE}/{ACCOUNT}"
        with self._screen.step("data") as step:
            self._kubectl("apply", "-f", str(CLAIMS))
            self._kubectl("config", "set-context", "--current", f"--namespace={self.namespace}")
            folder = self._cluster.pvc_dir(self.namespace, "digits")
            shutil.copytree(MODEL, folder / "model")
            make_data(folder)
            step.outcome = f"{TRAIN_LINES:,} handwritten lines, {VALIDATION_LINES} others held out, and the base model"

    def train(self) -> VisionFineTune:
        """Apply the example and follow it to its end. Raises `DemoError` when that is not a good one."""
        self._screen.command(f"kubectl apply -f {MANIFEST.relative_to(ROOT)}")
        self._screen.line(self._kubectl("apply", "-f", str(MANIFEST)).strip())
        self._screen.command(f"kubectl get vft {self.name} --watch")
        expected = {"Name": self.name, **COLUMN_VALUES}
        table = None
        view = None
        for view in changes(self._read, self._check, LIMIT_SECONDS):
            self.resource = view.resource
            if table is None:
                table = Table(self._screen, view.columns, [expected.get(name, "") for name in view.columns])
            table.row(view.cells, view.remark)
        assert view is not None
        if view.problem is not None:
            raise DemoError(view.problem)
        return parse_resource(view.resource)

    def answers(self) -> list[dict[str, Any]]:
        """What both models read in the held-out pictures."""
        return read_answers(self._run_folder() / "answers.jsonl")

    def keep_page(self) -> Path:
        """The report of the run, where it stays; gives its path."""
        KEPT.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(self._run_folder() / "report" / "report.html", KEPT / "report.html"))

    def hold(self) -> None:
        """Say how to use the cluster, and keep it until Ctrl-C."""
        line = self._screen.line
        line("\nThe cluster stays up. In another terminal:\n")
        line(f"  export KUBECONFIG={shlex.quote(str(self._cluster.kubeconfig))}")
        line(f"  export PATH={shlex.quote(str(self._cluster.kubectl_path.parent))}:$PATH\n")
        for command, purpose in (
            ("kubectl get vft -o wide", f"the resource; {self.namespace} is kubectl's namespace"),
            (f"kubectl describe vft {self.name}", "its story: conditions and events"),
            (f"kubectl logs job/{self.name}-run-1", "what the trainer said"),
            ("kubectl explain vft.spec.training", "what can be set"),
            (f"kubectl edit vft {self.name}", "change how it trains: run 2 starts"),
        ):
            line(f"  {command:<36}{self._screen.style(purpose, DIM)}")
        line(f"\nFiles of the claim: {self._cluster.pvc_dir(self.namespace, 'digits')}")
        line("Ctrl-C ends it and leaves nothing behind.")
        with suppress(KeyboardInterrupt):
            while True:
                self._cluster.check()
                time.sleep(HOLD_SECONDS)

    def save_logs(self) -> list[Path]:
        """Keep the operator's and the trainer's log of a demo that failed."""
        KEPT.mkdir(parents=True, exist_ok=True)
        saved = []
        if self._operator.log_file.exists():
            saved.append(Path(shutil.copy(self._operator.log_file, KEPT / "operator.log")))
        said = self._cluster.kubectl("logs", f"job/{self.name}-run-1", "-n", self.namespace).stdout
        if said:
            saved.append(KEPT / "trainer.log")
            saved[-1].write_text(said, encoding="utf-8")
        return saved

    def close(self) -> None:
        """End the operator."""
        self._operator.stop()

    def _run_folder(self) -> Path:
        output = self._wanted.spec.output.pvc
        assert output is not None
        return self._cluster.pvc_dir(self.namespace, output.claim_name) / (output.path or self.name) / "run-1"

    def _kubectl(self, *arguments: str) -> str:
        return self._cluster.kubectl(*arguments, check=True).stdout

    def _read(self) -> View:
        return read_view(self._cluster.api_client, self.namespace, self.name)

    def _check(self) -> None:
        self._cluster.check()
        if not self._operator.running:
            raise DemoError(f"The operator has ended. Its last lines:\n{self._operator.last_words(OPERATOR_LINES)}")


def run(screen: Screen, *, keep: bool, json_file: Path | None) -> None:
    """The whole demo.

    Raises:
        ToldError: it went wrong; why is on the screen already, and everything has been ended.
        BuildError, ClusterError: the cluster could not be built or started.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        with screen.step("cluster") as step:
            cluster = stack.enter_context(Cluster.start(log=screen.note))
            step.outcome = f"Kubernetes on this machine, up in {time.monotonic() - began:.0f} s"
        demo = Demo(screen, cluster)
        stack.callback(demo.close)
        stack.callback(_ignore_signals)
        try:
            demo.install()
            if keep:
                screen.note(f"to look on with kubectl: export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}")
            tuned = demo.train()
            page = str(demo.keep_page().relative_to(ROOT))
            print_summary(screen, tuned, demo.answers(), page, time.monotonic() - began)
        except (DemoError, OperatorError, ClusterError) as error:
            screen.failure(str(error))
            for log in demo.save_logs():
                screen.note(f"log: {log.relative_to(ROOT)}")
            if keep:
                demo.hold()
            raise ToldError from error
        finally:
            if json_file is not None and demo.resource is not None:
                json_file.parent.mkdir(parents=True, exist_ok=True)
                json_file.write_text(json.dumps(demo.resource, indent=2) + "\n", encoding="utf-8")
        if keep:
            demo.hold()


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Fine-tune a small model on handwriting, on a cluster of its own.")
    parser.add_argument("--keep", action="store_true", help="leave the cluster up until Ctrl-C")
    parser.add_argument(
        "--json", type=lambda text: Path(text).expanduser(), metavar="PATH", help="write the final resource there"
    )
    arguments = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    screen = Screen()
    screen.title("visionft: teach a small vision-language model to read handwriting")
    try:
        run(screen, keep=arguments.keep, json_file=arguments.json)
    except ToldError:
        return 1
    except (BuildError, ClusterError) as error:
        screen.failure(str(error))
        return 1
    except KeyboardInterrupt:
        screen.note("Stopped; nothing is left running.")
        return 130
    return 0


def _ignore_signals() -> None:
    """From here on everything is being ended; a second Ctrl-C must not stop that half-way."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Each of them ends the demo as Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
