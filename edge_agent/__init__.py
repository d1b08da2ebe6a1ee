"""The edge agent: units in, alarms out."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Before numpy is loaded: our matrices are small, and waking threads for them costs ten times more.

__version__ = "0.1.0"
BUILD_DATE_S = 1_795_392_000
"""UNIX seconds of this release (2026-11-23): no clock of ours ever runs before it."""
