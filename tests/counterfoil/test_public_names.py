"""`import counterfoil`: the public names, what they cost, and what a missing extra says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import counterfoil
from counterfoil.extras import needs
from ledger.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]


def test_every_public_name_is_there_and_documented() -> None:
    assert set(counterfoil.__all__) == set(dir(counterfoil))
    for name in counterfoil.__all__:
        found = getattr(counterfoil, name)
        assert isinstance(found, str) or found.__doc__
        assert name in str(counterfoil.__doc__) or name == "__version__"


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Banker'"):
        _ = counterfoil.Banker


def test_the_package_itself_imports_nothing_of_a_party() -> None:
    code = (
        "import sys, counterfoil\n"
        "from counterfoil import Auditor, Desk, KeyHolder, Member, Officer, Operator, verify\n"
        "print([m for m in ('web3', 'fastapi', 'numba', 'spacy', 'numpy', 'duckdb', 'pandas', 'pyarrow')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=240)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_missing_package_names_the_extra_of_the_party() -> None:
    @needs("member")
    class Party:
        def post(self) -> None:
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")

        def other(self) -> None:
            raise ModuleNotFoundError("No module named 'shoes'", name="shoes")

    with pytest.raises(ConfigurationError) as caught:
        Party().post()
    assert 'pip install "counterfoil[member]"' in str(caught.value.next_step)
    with pytest.raises(ModuleNotFoundError, match="shoes"):
        Party().other()
