"""Proofs that an entry is in a log: C2SP tlog-proof, strict, and every changed byte is caught."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.commitment import merkle
from ledger.errors import VerificationError
from ledger.log import CheckpointError, Proof
from tests.support.logs import ORIGIN, SmallLog, SmallWitness, policy_of

LOG = SmallLog.of(13)
ALFA = SmallWitness("ALFADE20")
POLICY = policy_of([LOG], [ALFA], 1)


def proof_of(log: SmallLog, index: int) -> Proof:
    path = merkle.inclusion_path(log.leaves, index)
    return Proof(index, tuple(path), ALFA.cosigned(log.note()).text)


@settings(max_examples=50)
@given(st.data())
def test_each_entry_is_proven_and_no_other(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 40))
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    log = SmallLog.of(size)
    proof = proof_of(log, index)
    assert Proof.parse(proof.to_text()) == proof
    assert Proof.parse(proof.to_text().encode()) == proof
    assert proof.verify(log.entries[index], POLICY, origin=ORIGIN).checkpoint == log.checkpoint()
    if other != index:
        with pytest.raises(VerificationError):
            proof.verify(log.entries[other], POLICY, origin=ORIGIN)


def test_layout() -> None:
    proof = proof_of(LOG, 5)
    path = "".join(base64.b64encode(node).decode() + "\n" for node in proof.path)
    assert proof.to_text() == f"c2sp.org/tlog-proof@v1\nindex 5\n{path}\n{proof.checkpoint}"


@pytest.mark.parametrize(
    ("proof", "text"),
    [
        (Proof(5, (sha256(b"hash1").digest(), sha256(b"hash2").digest()), "c\n"), "index 5\n{0}\n{1}\n\nc\n"),
        (Proof(10, (sha256(b"hash1").digest(),), "c\n", b"extra"), "extra ZXh0cmE=\nindex 10\n{0}\n\nc\n"),
        (Proof(0, (), "c\n"), "index 0\n\nc\n"),
    ],
)
def test_the_forms_of_a_proof(proof: Proof, text: str) -> None:
    hashes = [base64.b64encode(sha256(name).digest()).decode() for name in (b"hash1", b"hash2")]
    written = "c2sp.org/tlog-proof@v1\n" + text.format(*hashes)
    assert proof.to_text() == written
    assert Proof.parse(written) == proof


def test_every_changed_byte_is_caught_or_hides_the_witness() -> None:
    relaxed = policy_of([LOG], [ALFA])
    raw = proof_of(LOG, 5).to_text().encode()
    for position in range(len(raw)):
        for mask in (0x01, 0x20, 0x80):
            bad = raw[:position] + bytes([raw[position] ^ mask]) + raw[position + 1 :]
            with pytest.raises(VerificationError):
                Proof.parse(bad).verify(LOG.entries[5], POLICY, origin=ORIGIN)
            try:
                opened = Proof.parse(bad).verify(LOG.entries[5], relaxed, origin=ORIGIN)
            except VerificationError:
                continue
            assert opened.cosigned_by == (), "only the name or the key ID of the cosignature was changed"


HASH = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v1\n",
        "c2sp.org/tlog-proof@v2\nindex 0\n\nc\n",
        "c2sp.org/tlog-proof@v1\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex 00\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex +1\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex -5\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex 9223372036854775808\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex 0 \n\nc\n",
        "c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\nc\n",
        "c2sp.org/tlog-proof@v1\nextra\nindex 0\n\nc\n",
        "c2sp.org/tlog-proof@v1\nextra \nindex 0\n\nc\n",
        "c2sp.org/tlog-proof@v1\nextra !!\nindex 0\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\nc\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH[:-4]}\n\nc\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH} \n\nc\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH[:-2]}B=\n\nc\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{(HASH + chr(10)) * 64}\nc\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n\n" + "c" * 2**19,
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        Proof.parse(text)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_noise_is_refused_not_crashed_on(noise: str | bytes) -> None:
    with pytest.raises(VerificationError):
        Proof.parse(noise)


def test_a_proof_of_another_log_or_without_quorum_is_refused() -> None:
    proof = proof_of(LOG, 5)
    with pytest.raises(CheckpointError, match="another log"):
        proof.verify(LOG.entries[5], POLICY, origin="counterfoil.example/verdicts")
    bare = Proof(5, proof.path, LOG.note().text)
    with pytest.raises(CheckpointError, match="quorum"):
        bare.verify(LOG.entries[5], POLICY, origin=ORIGIN)
