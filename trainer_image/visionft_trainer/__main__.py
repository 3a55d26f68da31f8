"""`python -m visionft_trainer` is `visionft-trainer`."""

import sys

from visionft_trainer.cli import main

sys.exit(main())
