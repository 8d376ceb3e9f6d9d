"""Checkpoints: read only when signed by who is trusted, and in one spelling only."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import log
from ledger.errors import ConfigurationError, VerificationError
from ledger.log import Checkpoint, CheckpointError

DESK, DESK_PUBLIC = log.generate_signing_key()
BANK, BANK_PUBLIC = log.generate_signing_key()
TRUSTED = {"desk.example": DESK_PUBLIC, "bank.example": BANK_PUBLIC}
CHECKPOINT = Checkpoint("example/log", 1294, sha256(b"root").digest(), 1300, sha256(b"block").digest())
NOTE = log.sign_checkpoint(CHECKPOINT, "desk.example", DESK)

checkpoints = st.builds(
    Checkpoint,
    st.from_regex(r"[^\s\x00-\x1f\x7f]{1,40}", fullmatch=True),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)


def test_the_example_of_the_specification_verifies() -> None:
    """The verifier key and signed note of the Go package the format comes from.

    golang.org/x/mod/sumdb/note, note_test.go: PeterNeumann's key and note.
    """
    verifier = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    name, public = log.decode_verifier_key(verifier)
    assert log.encode_verifier_key(name, public) == verifier
    text = "If you think cryptography is the answer to your problem,\n"
    text += "then you don't know what your problem is.\n"
    signature = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    assert signature[:4] == log.key_hash(name, public)
    Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], text.encode())


@settings(max_examples=50)
@given(checkpoints)
def test_round_trip(checkpoint: Checkpoint) -> None:
    note = log.sign_checkpoint(checkpoint, "desk.example", DESK)
    assert log.open_checkpoint(note, TRUSTED) == checkpoint
    assert log.open_checkpoint(note.encode(), TRUSTED) == checkpoint
    both = log.cosign(note, "bank.example", BANK)
    assert both.startswith(note)
    assert log.open_checkpoint(both, TRUSTED, quorum=2) == checkpoint


def test_layout_of_a_checkpoint() -> None:
    root, block = base64.b64encode(CHECKPOINT.root).decode(), CHECKPOINT.block_hash.hex()
    body, signatures = NOTE.split("\n\n")
    assert body == f"example/log\n1294\n{root}\nblock 1300 {block}"
    mark, name, value = signatures.removesuffix("\n").split(" ")
    assert (mark, name) == ("—", "desk.example")
    raw = base64.b64decode(value)
    assert raw[:4] == sha256(b"desk.example\n\x01" + DESK_PUBLIC).digest()[:4]
    Ed25519PublicKey.from_public_bytes(DESK_PUBLIC).verify(raw[4:], (body + "\n").encode())


def test_every_flipped_byte_is_caught() -> None:
    raw = log.cosign(NOTE, "bank.example", BANK).encode()
    for position in range(len(raw)):
        for mask in (0x01, 0x02, 0x20, 0x80):
            bad = raw[:position] + bytes([raw[position] ^ mask]) + raw[position + 1 :]
            with pytest.raises(CheckpointError):
                log.open_checkpoint(bad, TRUSTED)


def test_every_dropped_or_doubled_byte_is_caught() -> None:
    raw = NOTE.encode()
    for position in range(len(raw)):
        for bad in (raw[:position] + raw[position + 1 :], raw[: position + 1] + raw[position:]):
            with pytest.raises(CheckpointError):
                log.open_checkpoint(bad, TRUSTED)


def test_a_note_signed_by_a_stranger_only_is_refused() -> None:
    own, own_public = log.generate_signing_key()
    forged = log.sign_checkpoint(CHECKPOINT, "stranger.example", own)
    with pytest.raises(CheckpointError, match="not trusted"):
        log.open_checkpoint(forged, TRUSTED)
    with pytest.raises(CheckpointError, match="too few trusted keys"):
        log.open_checkpoint(forged, TRUSTED, allow_unknown=True)
    with pytest.raises(CheckpointError, match="another key than the trusted key of that name"):
        log.open_checkpoint(log.sign_checkpoint(CHECKPOINT, "desk.example", own), TRUSTED)
    assert log.open_checkpoint(forged, {"stranger.example": own_public}) == CHECKPOINT


def test_an_unknown_cosignature_is_refused_unless_allowed() -> None:
    note = log.cosign(NOTE, "auditor.example", BANK)
    with pytest.raises(CheckpointError, match=r"auditor\.example"):
        log.open_checkpoint(note, TRUSTED)
    assert log.open_checkpoint(note, TRUSTED, allow_unknown=True) == CHECKPOINT
    with pytest.raises(CheckpointError, match="is not a signature"):
        log.open_checkpoint(NOTE + "anything\n", TRUSTED, allow_unknown=True)
    with pytest.raises(CheckpointError, match="wrong size"):
        log.open_checkpoint(NOTE + "— auditor.example AAAA\n", TRUSTED, allow_unknown=True)


def test_a_broken_cosignature_spoils_the_note() -> None:
    body, _, lines = log.cosign(NOTE, "bank.example", BANK).partition("\n\n")
    desk, bank = lines.removesuffix("\n").split("\n")
    other = Checkpoint("example/log", 1295, CHECKPOINT.root, 1300, CHECKPOINT.block_hash)
    stolen = log.sign_checkpoint(other, "bank.example", BANK).split("\n")[-2]
    with pytest.raises(CheckpointError, match="does not verify"):
        log.open_checkpoint(f"{body}\n\n{desk}\n{stolen}\n", TRUSTED)
    with pytest.raises(CheckpointError, match="two signatures of the same name"):
        log.open_checkpoint(f"{body}\n\n{desk}\n{bank}\n{desk}\n", TRUSTED)


def test_quorum_and_origin() -> None:
    with pytest.raises(CheckpointError, match="expected 2, got 1"):
        log.open_checkpoint(NOTE, TRUSTED, quorum=2)
    with pytest.raises(CheckpointError, match="another log"):
        log.open_checkpoint(NOTE, TRUSTED, origin="example/other")
    assert log.open_checkpoint(NOTE, TRUSTED, origin="example/log") == CHECKPOINT


def test_a_quorum_of_none_still_asks_for_one() -> None:
    stranger, _ = log.generate_signing_key()
    note = log.sign_checkpoint(CHECKPOINT, "stranger.example", stranger)
    with pytest.raises(CheckpointError, match="too few"):
        log.open_checkpoint(note, TRUSTED, quorum=0, allow_unknown=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n1294\n", "\n01294\n"),
        ("\n1294\n", "\n+1294\n"),
        ("\n1294\n", "\n١٢٩٤\n"),
        ("\n1294\n", "\n9223372036854775808\n"),
        ("\n1294\n", "\n99999999999999999999\n"),
        ("\n1294\n", "\n1294 \n"),
        ("block 1300", "block  1300"),
        ("block 1300", "block 0x514"),
        ("block 1300", "extra\nblock 1300"),
        ("\n\n", "\n"),
        ("\n\n", "\n\n\n"),
        ("example/log\n", "\n"),
        ("example/log", "example\x0blog"),
        ("— ", "- "),
        ("\n", "\r\n"),
    ],
)
def test_another_spelling_is_refused_before_any_signature(old: str, new: str) -> None:
    assert old in NOTE
    with pytest.raises(CheckpointError) as caught:
        log.open_checkpoint(NOTE.replace(old, new), TRUSTED)
    assert "does not verify" not in str(caught.value)


def test_other_padding_bits_are_another_spelling() -> None:
    root = base64.b64encode(CHECKPOINT.root).decode()
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = root[:-2] + last[last.index(root[-2]) | 1] + "="
    assert base64.b64decode(twin) == CHECKPOINT.root
    with pytest.raises(CheckpointError, match="canonical base64"):
        log.open_checkpoint(NOTE.replace(root, twin), TRUSTED)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_noise_is_refused_not_crashed_on(noise: str | bytes) -> None:
    with pytest.raises(VerificationError):
        log.open_checkpoint(noise, TRUSTED)


def test_a_note_without_end_is_refused() -> None:
    with pytest.raises(CheckpointError, match="too long"):
        log.open_checkpoint("a" * 70_000, TRUSTED)
    lines = "".join(f"— k{i} {base64.b64encode(bytes(68)).decode()}\n" for i in range(301))
    with pytest.raises(CheckpointError, match="too many"):
        log.open_checkpoint(NOTE + lines, TRUSTED)


def test_cosigning_refuses_a_second_signature_of_one_name_and_bad_names() -> None:
    with pytest.raises(CheckpointError, match="already"):
        log.cosign(NOTE, "desk.example", BANK)
    for name in ("", "a b", "a+b", "a\u2003b", "a\nb"):
        with pytest.raises(ConfigurationError):
            log.cosign(NOTE, name, BANK)


@pytest.mark.parametrize(
    "fields",
    [
        ("", 0, bytes(32), 0, bytes(32)),
        ("a\nb", 0, bytes(32), 0, bytes(32)),
        ("a", -1, bytes(32), 0, bytes(32)),
        ("a", 2**63, bytes(32), 0, bytes(32)),
        ("a", 0, bytes(31), 0, bytes(32)),
        ("a", 0, bytes(32), -1, bytes(32)),
        ("a", 0, bytes(32), 0, b""),
    ],
)
def test_impossible_checkpoints_are_refused(fields: tuple[str, int, bytes, int, bytes]) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint(*fields)


def test_verifier_keys() -> None:
    text = log.encode_verifier_key("desk.example", DESK_PUBLIC)
    assert log.decode_verifier_key(text) == ("desk.example", DESK_PUBLIC)
    for position in range(len(text)):
        swapped = "B" if text[position] == "A" else "A"
        with pytest.raises(ConfigurationError):
            log.decode_verifier_key(text[:position] + swapped + text[position + 1 :])
    for bad in ("", "a", "a+b+c", text + "=", text + "\n"):
        with pytest.raises(ConfigurationError):
            log.decode_verifier_key(bad)
    with pytest.raises(ConfigurationError, match="32 bytes"):
        log.encode_verifier_key("a", b"short")
