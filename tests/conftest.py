"""Fixtures and settings for the whole suite; `tests.support` builds what they hand out."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# a shell lets what it puts in the background ignore SIGINT, and so would every process that a test starts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.support.consortium",
    "tests.support.passphrases",
    "tests.support.softhsm",
    "tests.support.transfers",
]

# no test is about how long an example took: a busy machine, or a kernel that is compiled first, is no failure
# In CI the same examples each time: what fails there fails again here. Elsewhere new ones are looked for.
settings.register_profile("counterfoil", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("counterfoil")
