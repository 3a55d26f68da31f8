"""Makes the libraries quiet: what they print is for their developers, and it would tear the progress bar."""

from __future__ import annotations

import logging
import os
import warnings

NOISY_LOGGERS = ("bitsandbytes", "peft", "accelerate", "datasets", "huggingface_hub", "httpx2", "PIL")


def quiet() -> None:
    """Errors only. To be called before the first of these libraries is imported."""
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
