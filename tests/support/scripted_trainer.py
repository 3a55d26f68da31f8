"""A trainer that does what its environment says, so that a test of the operator need not train.

It is started as `python scripted_trainer.py visionft-trainer run RUN_FILE` (an image of the sandbox's node), or with
check in place of run, and knows nothing but the contract between operator and trainer: run file, output claim, reports,
termination message, SIGTERM.

    SCRIPT_REPORTS    reports to send, one every SCRIPT_PAUSE seconds ("0", "0.2")
    SCRIPT_HOLD       "1": then go on reporting until the file `release` is in the run's output folder
    SCRIPT_FAILURES   exit codes of the first attempts: "1,137"; 137 kills itself
    SCRIPT_EXIT       exit code of all attempts after those ("0")
    SCRIPT_MESSAGE    sentence of the termination message
    SCRIPT_CER        CER of the tuned model ("0.04"); "" leaves the evaluation out
    SCRIPT_JUDGED     what else was measured, as JSON: fields of status.evaluation beside baseline, tuned and samples
    SCRIPT_SILENT     "1": no termination message and no report
    SCRIPT_DATA       what the check of the data has found, as JSON: goes into reports and the termination message
    SCRIPT_ESTIMATE   what the run is expected to need, as JSON: likewise
    SCRIPT_PROBE      "1": leave in `probe.json` the variables that the operator sets, and the files of
                      ConfigMaps and of Secrets

A check has its own settings, with the same meaning: SCRIPT_CHECK_HOLD (until `release-check` is there),
SCRIPT_CHECK_EXIT and SCRIPT_CHECK_MESSAGE. It counts its attempts in `checks`.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

COMMAND = sys.argv[2]
RUN_FILE = Path(sys.argv[3])
RUN = json.loads(RUN_FILE.read_text())
ENV = os.environ
SILENT = ENV.get("SCRIPT_SILENT") == "1"
FIRST_TRIES, FIRST_PAUSE = 5, 0.2
"""A pod may be quicker than the watch by which the operator knows it."""
HOLD_PAUSE = 0.5
"""The report server takes two reports a second in the long run."""
CER = ENV.get("SCRIPT_CER", "0.04")
FINDINGS = {
    name: json.loads(ENV[variable])
    for name, variable in (("data", "SCRIPT_DATA"), ("estimate", "SCRIPT_ESTIMATE"))
    if variable in ENV
}


def output_folder() -> Path:
    """The run's folder on the output claim, or in the pod's own scratch."""
    pvc = RUN["spec"]["output"].get("pvc")
    if pvc is None:
        folder = Path(ENV["VISIONFT_WORKSPACE"]) / RUN["metadata"]["name"]
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    folder = Path(ENV["VISIONFT_PVC_ROOT"]) / pvc["claimName"] / pvc.get("path", RUN["metadata"]["name"])
    folder = folder / f"run-{RUN['run']}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


FOLDER = output_folder()
ATTEMPTS = FOLDER / "attempts"
CHECKPOINT = FOLDER / "checkpoint"


def evaluation() -> dict[str, Any] | None:
    """What a trainer would have measured."""
    judged = json.loads(ENV.get("SCRIPT_JUDGED", "{}"))
    return {"baseline": {"cer": "0.71"}, "tuned": {"cer": CER}, "samples": 200, **judged} if CER else None


def finish(code: int, text: str) -> None:
    """Leave a termination message and end."""
    if not SILENT:
        message = {
            "run": RUN["run"],
            "exitCode": code,
            "reason": "Completed",
            "message": text,
            **FINDINGS,
            "evaluation": evaluation() if code == 0 and COMMAND == "run" else None,
            "artifacts": [
                {"kind": "adapter", "uri": "pvc://out/adapter", "digest": "sha256:" + "a" * 64, "size": 12345}
            ]
            if code == 0 and COMMAND == "run"
            else None,
        }
        Path(ENV["VISIONFT_TERMINATION_LOG"]).write_text(json.dumps(message))
    sys.exit(code)


def on_sigterm(number: int, frame: object) -> None:
    """Save a checkpoint, as the trainer does."""
    CHECKPOINT.write_text(str(time.time()))
    finish(143, "stopped after a checkpoint")


def report(sequence: int, percent: int, stage: str, **more: Any) -> None:
    """Send a report; whatever becomes of it, the training goes on."""
    if SILENT:
        return
    body: dict[str, Any] = {
        "sequence": sequence,
        "stage": stage,
        "sentAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "progress": {"percent": percent, "step": sequence, "totalSteps": 100, "loss": f"{3 / sequence:.3f}"},
        **FINDINGS,
        **more,
    }
    request = urllib.request.Request(
        ENV["VISIONFT_REPORT_URL"],
        json.dumps({"report": body}).encode(),
        {
            "Content-Type": "application/json",
            "Authorization": "Bearer " + Path(ENV["VISIONFT_REPORT_TOKEN_FILE"]).read_text().strip(),
        },
    )
    for left in reversed(range(FIRST_TRIES if sequence == 1 else 1)):
        try:
            context = ssl.create_default_context(cafile=ENV["VISIONFT_REPORT_CA_FILE"])
            urllib.request.urlopen(request, timeout=5, context=context).close()
            return
        except OSError as error:
            print(f"report {sequence} not delivered: {error}", flush=True)
            time.sleep(FIRST_PAUSE if left else 0)


def count(file: Path) -> int:
    """How many times this was called for this file before."""
    before = int(file.read_text()) if file.exists() else 0
    file.write_text(str(before + 1))
    return before


def probe() -> None:
    """Leave what the operator has given this pod."""
    prefixes = ("VISIONFT_", "HF_TOKEN", "TMPDIR", "MLFLOW_", "WANDB_")
    variables = {name: value for name, value in ENV.items() if name.startswith(prefixes)}
    mounted = Path(ENV["VISIONFT_REPORT_TOKEN_FILE"]).parents[1]
    files = {
        str(file.relative_to(root)): file.read_text()
        for root in (Path(ENV["VISIONFT_CONFIGMAP_ROOT"]), mounted)
        for file in root.glob("*/*")
        if file.is_file() and file.parent.name != "token"
    }
    (FOLDER / "probe.json").write_text(json.dumps({"variables": variables, "files": files}))


def check() -> None:
    """Be the check that comes before the training."""
    print(f"check {count(FOLDER / 'checks') + 1}", flush=True)
    sequence = 1
    report(sequence, 1, "ingest")
    while ENV.get("SCRIPT_CHECK_HOLD") == "1" and not (FOLDER / "release-check").exists():
        sequence += 1
        report(sequence, 1, "preprocess")
        time.sleep(HOLD_PAUSE)
    finish(int(ENV.get("SCRIPT_CHECK_EXIT", "0")), ENV.get("SCRIPT_CHECK_MESSAGE", "The data can be trained on."))


def main() -> None:
    """Do what the environment says."""
    signal.signal(signal.SIGTERM, on_sigterm)
    if COMMAND == "check":
        check()
    if ENV.get("SCRIPT_PROBE") == "1":
        probe()
    attempt = count(ATTEMPTS)
    print(f"attempt {attempt + 1}, checkpoint {'found' if CHECKPOINT.exists() else 'absent'}", flush=True)
    failures = [int(code) for code in ENV.get("SCRIPT_FAILURES", "").split(",") if code]
    pause, reports = float(ENV.get("SCRIPT_PAUSE", "0.2")), int(ENV.get("SCRIPT_REPORTS", "1"))
    sequence = 0
    for sequence in range(1, reports + 1):
        report(sequence, sequence, "train", evaluation={"baseline": {"cer": "0.71"}})
        time.sleep(pause)
    if attempt < len(failures):
        if failures[attempt] == 137:
            os.kill(os.getpid(), signal.SIGKILL)
        finish(failures[attempt], ENV.get("SCRIPT_MESSAGE", ""))
    while ENV.get("SCRIPT_HOLD") == "1" and not (FOLDER / "release").exists():
        sequence += 1
        report(sequence, min(sequence, 99), "train")
        time.sleep(max(pause, HOLD_PAUSE))
    finish(int(ENV.get("SCRIPT_EXIT", "0")), ENV.get("SCRIPT_MESSAGE", "All is well."))


main()
