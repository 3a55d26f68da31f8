"""Run a node: `python -m sandbox.node --kubeconfig F --data DIR --control SOCKET`."""

import argparse
import asyncio
import contextlib
import logging
import os
import shlex
import signal
import sys
import uuid
from pathlib import Path

from sandbox.node.agent import Agent
from sandbox.node.api import Api
from sandbox.node.capacity import node_resources
from sandbox.node.context import NodeContext, Timing
from sandbox.node.control_server import ControlServer
from sandbox.node.events import EventRecorder
from sandbox.node.guard import Guard
from sandbox.node.heartbeat import Heartbeat
from sandbox.node.images import Image, ImageStore
from sandbox.node.log_server import LogServer
from sandbox.node.process import kill_marked

KNOWN_IMAGES = ("visionft/trainer:0.1.0", "sandbox/busybox")


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.node", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="how to reach the API server")
    parser.add_argument("--data", type=Path, required=True, help="folder for pods; best a short path")
    parser.add_argument("--control", type=Path, required=True, help="unix socket for fault control")
    parser.add_argument("--name", default="sandbox-node", help="name of the Node object")
    parser.add_argument("--gpus", type=int, default=4, help="nvidia.com/gpu to offer")
    parser.add_argument("--cpu", default="8", help="cpu to offer")
    parser.add_argument("--memory", default="64Gi", help="memory to offer")
    parser.add_argument("--sync-period", type=float, default=Timing.sync_period, help="seconds between volume updates")
    parser.add_argument("--client-ca", type=Path, help="CA file; logs are served to its clients only")
    parser.add_argument("--image", action="append", default=[], metavar="NAME[=ARGV]", help="another image that exists")
    parser.add_argument("--die-with-parent", action="store_true", help="end when standard input closes")
    return parser.parse_args(argv)


async def run(options: argparse.Namespace) -> None:
    """Run the node until SIGTERM or SIGINT; then all containers are killed."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if options.die_with_parent:
        _stop_with_parent(stop)
    instance = uuid.uuid4().hex
    guard = Guard(instance)
    async with Api(options.kubeconfig) as api, contextlib.AsyncExitStack() as cleanup:
        resources = node_resources(options.cpu, options.memory, options.gpus)
        events = EventRecorder(api, options.name)
        timing = Timing(sync_period=options.sync_period)
        images = ImageStore([Image(name) for name in KNOWN_IMAGES] + [_image(text) for text in options.image])
        context = NodeContext(options.name, instance, options.data.resolve(), api, images, events, resources, timing)
        agent = Agent(context)
        logs = LogServer(options.name, agent.find_container, lambda: api.connected, options.client_ca)
        cleanup.push_async_callback(logs.stop)
        heartbeat = Heartbeat(api, options.name, resources, await logs.start())
        control = ControlServer(agent, heartbeat, options.control)
        cleanup.push_async_callback(control.stop)
        await control.start()
        work = [heartbeat.run(_say_ready), agent.run(), events.run()]
        tasks = [asyncio.create_task(one) for one in work]
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        await agent.close()
        kill_marked(f"{instance}/")
        for task in tasks:
            if task.done():
                task.result()
            task.cancel()
    guard.release()


def _image(text: str) -> Image:
    """An image from NAME or NAME=ARGV, ARGV being what its command lines begin with."""
    name, _, argv = text.partition("=")
    return Image(name, tuple(shlex.split(argv)))


def _say_ready() -> None:
    print("node is ready", flush=True)


def _stop_with_parent(stop: asyncio.Event) -> None:
    """Stop when standard input closes: the parent holds its other end and never writes to it."""
    loop = asyncio.get_running_loop()

    def on_input() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            stop.set()

    loop.add_reader(sys.stdin.fileno(), on_input)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s node %(levelname)s %(name)s: %(message)s")
    asyncio.run(run(parse_arguments()))


if __name__ == "__main__":
    main()
