"""Run `make demo` and record what it took: `.venv/bin/python benchmarks/demo/measure.py OUT.json`.

The first run of a checkout builds the cluster; build it before (`make sandbox-build`). Do nothing else on the machine.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        resource_file = Path(folder) / "resource.json"
        load = os.getloadavg()[0]
        began = time.monotonic()
        subprocess.run(["make", "demo", f"JSON={resource_file}"], cwd=ROOT, check=True)
        seconds = time.monotonic() - began
        status = json.loads(resource_file.read_text(encoding="utf-8"))["status"]
    result = {
        "seconds": round(seconds, 1),
        "cores": os.cpu_count(),
        "load_before": round(load, 2),
        "run_started": status["startTime"],
        "run_completed": status["completionTime"],
        "evaluation": status["evaluation"],
        "artifacts": status["artifacts"],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
