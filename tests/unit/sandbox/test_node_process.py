"""Local processes as containers: exit codes, signals, descendants."""

import asyncio
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from sandbox.node.process import ContainerProcess, StartError, marked_processes

ENV = {"PATH": "/usr/bin:/bin"}
INSTANCE = uuid.uuid4().hex


def start(tmp_path: Path, *argv: str, container: str = "c") -> ContainerProcess:
    return ContainerProcess.start(argv, ENV, tmp_path, tmp_path / "log", INSTANCE, container)


def assert_gone(prefix: str, patience_seconds: float = 10) -> None:
    """A killed process is seen until the kernel has taken it apart."""
    end = time.monotonic() + patience_seconds
    while left := list(marked_processes(prefix)):
        assert time.monotonic() < end, f"processes {left} are still there"
        time.sleep(0.01)


async def test_exit_code_output_and_environment(tmp_path: Path) -> None:
    process = start(tmp_path, "sh", "-c", "env; pwd; echo wrong >&2; exit 3")
    assert await process.wait() == 3
    lines = (tmp_path / "log").read_text().splitlines()
    assert {line.split("=")[0] for line in lines if "=" in line} <= {
        "PATH",
        "PWD",
        "SANDBOX_CONTAINER",
        "_",
        "SHLVL",
        "OLDPWD",
    }
    assert lines[-2:] == [str(tmp_path), "wrong"]


@pytest.mark.parametrize(("number", "code"), [(9, 137), (15, 143)])
async def test_end_by_a_signal_is_128_and_its_number(tmp_path: Path, number: int, code: int) -> None:
    process = start(tmp_path, "sleep", "60")
    process.signal(number)
    assert await process.wait() == code


async def test_descendants_end_with_the_first_process_even_in_other_sessions(tmp_path: Path) -> None:
    process = start(tmp_path, "sh", "-c", "setsid sleep 60 & sleep 61 & sleep 0.2", container="family")
    await asyncio.sleep(0.1)
    assert len(list(marked_processes(process.marker))) == 4
    assert await process.wait() == 0
    assert_gone(process.marker)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("no-such-program", 'exec: "no-such-program": executable file not found in $PATH'),
        ("/no/such/file", "no such file or directory"),
        ("./data.txt", "permission denied"),
    ],
)
async def test_program_that_cannot_be_started(tmp_path: Path, program: str, message: str) -> None:
    (tmp_path / "data.txt").write_text("x")
    with pytest.raises(StartError) as caught:
        start(tmp_path, program)
    assert message in str(caught.value)


def test_guard_ends_what_a_killed_node_leaves(tmp_path: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\n"
        "from sandbox.node.guard import Guard\n"
        "from sandbox.node.process import ContainerProcess\n"
        "async def main():\n"
        "    guard = Guard(sys.argv[1])\n"
        "    argv = ['sh', '-c', 'setsid sleep 60 & sleep 60']\n"
        "    here = pathlib.Path(sys.argv[2])\n"
        "    ContainerProcess.start(argv, {'PATH': '/usr/bin:/bin'}, here, here / 'log', sys.argv[1], 'c')\n"
        "    print('started', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    instance = uuid.uuid4().hex
    env = {"PYTHONPATH": ":".join(sys.path)}
    node = subprocess.Popen([sys.executable, "-c", code, instance, tmp_path], stdout=subprocess.PIPE, env=env)
    assert node.stdout
    assert node.stdout.readline() == b"started\n"
    end = time.monotonic() + 10
    while not list(marked_processes(f"{instance}/")):  # it is found once it has become its program
        assert time.monotonic() < end
        time.sleep(0.02)
    node.kill()
    node.wait()
    assert_gone(f"{instance}/")
