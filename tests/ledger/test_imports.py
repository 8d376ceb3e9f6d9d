"""What importing a module loads: the verifier nothing heavy, the other parties only what they work with."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "duckdb", "eth_abi", "eth_account", "httpx", "networkx", "numba", "numpy", "pandas", "py_ecc", "pyarrow",
    "pydantic", "rbcl", "scipy", "sklearn", "spacy", "web3",
}  # fmt: skip

#: What an auditor runs, with the base install alone.
VERIFIER = [
    "ledger.audit.trust", "ledger.audit.verify", "ledger.batch", "ledger.canonical", "ledger.deployment",
    "ledger.encoding.bands", "ledger.encoding.ceremony", "ledger.encoding.codes",
    "ledger.encoding.consistency", "ledger.encoding.evaluation", "ledger.encoding.policy",
    "ledger.encoding.sharing", "ledger.encoding.token",
    "ledger.errors", "ledger.home", "ledger.installation", "ledger.log", "ledger.money", "ledger.receipt",
    "ledger.schema", "ledger.signing", "ledger.storage",
]  # fmt: skip

#: Modules of the other parties, and the heavy packages that they work with.
OTHERS = {
    "ledger.member.keys": set(),
    "ledger.member.inbox": set(),
    "ledger.member.vault": {"numpy"},
    "ledger.member.receipts": {"numpy"},
    "ledger.member.intake": set(),
    "ledger.member.outbox": {"numpy"},
    "ledger.encoding.threshold": set(),
    "ledger.encoding.keyholder_client": {"httpx"},
    "ledger.holder.shares": set(),
    "ledger.reader.keys": set(),
    "ledger.reader.cases": set(),
    "ledger.reader.decisions": set(),
    "ledger.reader.mirror": {"numpy", "pyarrow"},
    "ledger.transfers.evidence": {"numpy", "pyarrow"},
    "ledger.audit.fsck": {"numpy", "pyarrow", "duckdb"},
}

#: Checks that eth_keyfile has the right numbers of py_ecc, and reads a BLS key file by the real one.
KEYFILE = """
import eth_keyfile.keyfile as keyfile
made = keyfile.create_keyfile_json(bytes([1] * 32), b"word", version=4, kdf="pbkdf2", iterations=2)
assert keyfile.decode_keyfile_json(made, b"word") == bytes([1] * 32)
from py_ecc.bls import G2ProofOfPossession
from py_ecc.bls12_381 import curve_order
from py_ecc.secp256k1 import N
assert made["pubkey"] == G2ProofOfPossession.SkToPk(int.from_bytes(bytes([1] * 32), "big")).hex()
assert (keyfile.MAX_V3_PRIVATE_KEY, keyfile.MAX_V4_PRIVATE_KEY) == (N - 1, curve_order - 1)
"""


def loaded(source: str, *, then: str = "") -> set[str]:
    """Return the top-level modules that a fresh process has loaded after some source, and run more."""
    report = "import json, sys\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{source}\n{report}{then}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_the_verifier_loads_nothing_but_the_base_install() -> None:
    found = loaded("\n".join(f"import {name}" for name in VERIFIER))
    assert found & HEAVY == set()
    assert {"coincurve", "cryptography"} <= found


@pytest.mark.parametrize("module", OTHERS)
def test_a_module_loads_only_what_it_works_with(module: str) -> None:
    assert loaded(f"import {module}") & HEAVY == OTHERS[module]


def test_the_gateway_loads_web3_without_the_pairing_curves() -> None:
    found = loaded("import ledger.gateway", then=KEYFILE)
    assert {"web3", "eth_account", "eth_keyfile"} <= found
    assert "py_ecc" not in found


def test_pairing_curves_that_were_loaded_before_stay() -> None:
    assert "py_ecc" in loaded("import py_ecc.bls\nimport ledger.gateway", then=KEYFILE)


def test_the_gateway_without_web3_says_that_it_is_missing() -> None:
    source = """
import sys
sys.modules["web3"] = None
from ledger.errors import ConfigurationError
from ledger.installation import requiring
try:
    with requiring("member"):
        import ledger.gateway
except ConfigurationError as error:
    assert 'pip install "counterfoil[member]"' in str(error), error
else:
    raise AssertionError
assert not [name for name in sys.modules if name.startswith("py_ecc")]
"""
    assert "py_ecc" not in loaded(source)
