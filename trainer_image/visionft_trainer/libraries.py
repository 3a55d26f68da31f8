"""What must be settled before torch and its companions are imported: their chatter, their devices, their threads."""

from __future__ import annotations

import logging
import os
import warnings
from decimal import Decimal

from visionft_api.quantities import parse_cpu
from visionft_api.spec import ResourcesSpec

NOISY_LOGGERS = ("bitsandbytes", "peft", "accelerate", "datasets", "huggingface_hub", "httpx2", "PIL")


def prepare(resources: ResourcesSpec, device: str) -> None:
    """To be called before the first of these libraries is imported. What the environment says already stays.

    `device` is that of the settings: auto, cpu or cuda.
    """
    on_gpu = device == "cuda" or (device == "auto" and resources.gpus > 0)
    # Several visible GPUs would make transformers' Trainer spread one process over all of them.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0" if on_gpu else "")
    if on_gpu:
        # Segments that grow in place of new ones: with rows of many lengths the allocator otherwise holds up to a
        # quarter more than is in use (benchmarks/gpu).
        os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    # Threads that wait by spinning take the cores from each other as soon as the machine does anything else: a step of
    # the demo then takes 3.1 s in place of 0.4 s (2 cores, load 8).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if resources.cpu is not None:
        # A container sees all cores of its node, but may use only these.
        os.environ.setdefault("OMP_NUM_THREADS", str(threads(parse_cpu(resources.cpu), os.cpu_count() or 1)))
    quiet()


def threads(allowed: Decimal, present: int) -> int:
    """Threads for computing: as many whole cores as are allowed and present, at least one."""
    return max(1, min(int(allowed), present))


def quiet() -> None:
    """Errors only: what these libraries print is for their developers, and it would tear the progress bar."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("BITSANDBYTES_NOWELCOME", "1")
    # transformers adds its Kubeflow callback wherever the pod names a report server, also with report_to=[]; it knows
    # one stage only, and its reports would displace ours.
    os.environ["DISABLE_KUBEFLOW_INTEGRATION"] = "TRUE"
    warnings.simplefilter("ignore")
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
