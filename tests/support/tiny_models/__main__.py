"""`python -m support.tiny_models NAME FOLDER`."""

import sys
from pathlib import Path

from support.tiny_models import TINY_MODELS
from support.tiny_models.remote_code import REMOTE_MODELS

print({**TINY_MODELS, **REMOTE_MODELS}[sys.argv[1]](Path(sys.argv[2])))
