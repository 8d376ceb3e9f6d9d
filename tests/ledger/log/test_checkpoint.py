"""Checkpoints: accepted only when the log and the quorum of the policy have signed them."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.log import (
    Checkpoint,
    CheckpointError,
    Note,
    OpenedCheckpoint,
    VerifierKey,
    open_checkpoint,
    sign_checkpoint,
)
from ledger.log.cosignature import cosign, cosign_ml_dsa, verified
from ledger.log.notes import KeyType, SignatureLine
from ledger.log.policy import Policy
from tests.support.logs import MOMENT, ORIGIN, SmallLog, SmallWitness, policy_of, secret

LOG = SmallLog.of(7)
ALFA, BETA = SmallWitness("ALFADE20"), SmallWitness("BETAFR20")
POLICY = policy_of([LOG], [ALFA, BETA], 1)
NOTE = ALFA.cosigned(LOG.note())

checkpoints = st.builds(
    Checkpoint,
    st.from_regex(r"[^\s\x00-\x1f+\x7f]{1,40}", fullmatch=True),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)


@settings(max_examples=50)
@given(checkpoints, st.integers(0, 2**63 - 1))
def test_round_trip(checkpoint: Checkpoint, moment: int) -> None:
    log = SmallLog(origin=checkpoint.origin)
    note = Note.parse(sign_checkpoint(checkpoint, checkpoint.origin, log.private))
    policy = policy_of([log], [ALFA, BETA], 2)
    both = BETA.cosigned(ALFA.cosigned(note, moment), moment)
    opened = open_checkpoint(both.text, policy, origin=checkpoint.origin)
    assert opened == OpenedCheckpoint(checkpoint, (("ALFADE20", moment), ("BETAFR20", moment)))
    assert open_checkpoint(both.text.encode(), policy, origin=checkpoint.origin) == opened


def test_layout_of_a_checkpoint() -> None:
    body, signatures = NOTE.text.split("\n\n")
    root = base64.b64encode(LOG.checkpoint().root).decode()
    assert body == f"{ORIGIN}\n7\n{root}"
    of_log, of_alfa = signatures.removesuffix("\n").split("\n")
    mark, name, value = of_log.split(" ")
    raw = base64.b64decode(value)
    assert (mark, name) == ("—", ORIGIN)
    assert raw[:4] == sha256(ORIGIN.encode() + b"\n\x01" + LOG.key.public).digest()[:4]
    Ed25519PublicKey.from_public_bytes(LOG.key.public).verify(raw[4:], (body + "\n").encode())
    mark, name, value = of_alfa.split(" ")
    raw, public = base64.b64decode(value), ALFA.line.key.public
    assert (mark, name) == ("—", ALFA.name)
    assert raw[:4] == sha256(ALFA.name.encode() + b"\n\x04" + public).digest()[:4]
    assert raw[4:12] == MOMENT.to_bytes(8, "big")
    message = f"cosignature/v1\ntime {MOMENT}\n{body}\n".encode()
    Ed25519PublicKey.from_public_bytes(public).verify(raw[12:], message)


def test_no_changed_byte_changes_what_is_opened() -> None:
    """A change in a line that then names an unknown key hides that line; nothing else is accepted."""
    policy = policy_of([LOG], [ALFA, BETA])
    whole = open_checkpoint(NOTE.text, policy, origin=ORIGIN)
    without = OpenedCheckpoint(whole.checkpoint, ())
    raw = NOTE.text.encode()
    hidden = 0
    for position in range(len(raw)):
        for mask in (0x01, 0x02, 0x20, 0x80):
            bad = raw[:position] + bytes([raw[position] ^ mask]) + raw[position + 1 :]
            try:
                assert open_checkpoint(bad, policy, origin=ORIGIN) == without
                hidden += 1
            except CheckpointError:
                continue
    assert hidden, "the name and the key ID of a cosignature can be changed"
    with pytest.raises(CheckpointError, match="quorum"):
        open_checkpoint(NOTE.text.replace(ALFA.name, "somebody"), POLICY, origin=ORIGIN)


def test_dropped_and_doubled_bytes_are_caught() -> None:
    raw = NOTE.text.encode()
    for position in range(len(raw)):
        for bad in (raw[:position] + raw[position + 1 :], raw[: position + 1] + raw[position:]):
            with pytest.raises(CheckpointError):
                open_checkpoint(bad, POLICY, origin=ORIGIN)


def test_lines_of_unknown_keys_are_ignored() -> None:
    stranger = SmallWitness("GAMMAIT2")
    note = stranger.cosigned(NOTE)
    strange = SignatureLine("somebody", b"abcd", b"anything of any length")
    note = note.with_lines(strange, strange)
    opened = open_checkpoint(note.text, POLICY, origin=ORIGIN)
    assert opened == open_checkpoint(NOTE.text, POLICY, origin=ORIGIN)


def test_a_standard_cosignature_beside_an_unknown_type_is_counted() -> None:
    other = SmallLog(LOG.entries, private=secret("other"))
    rfc6962 = SignatureLine(ORIGIN, b"\x05\x05\x05\x05", bytes(80))
    (line,) = other.note().signatures
    note = NOTE.with_lines(rfc6962, line)
    assert open_checkpoint(note.text, POLICY, origin=ORIGIN).cosigned_by == (("ALFADE20", MOMENT),)


def test_the_log_itself_must_have_signed() -> None:
    forger = SmallLog(LOG.entries, private=secret("forger"))
    forged = BETA.cosigned(ALFA.cosigned(forger.note()))
    with pytest.raises(CheckpointError, match="not signed by the key of its log"):
        open_checkpoint(forged.text, POLICY, origin=ORIGIN)
    cosigned_only = Note(NOTE.body, NOTE.signatures[1:])
    with pytest.raises(CheckpointError, match="not signed by the key of its log"):
        open_checkpoint(cosigned_only.text, POLICY, origin=ORIGIN)


def test_the_key_of_one_log_does_not_sign_for_another() -> None:
    verdicts = SmallLog.of(3, origin="counterfoil.example/verdicts", private=secret("verdicts"))
    policy = policy_of([LOG, verdicts])
    crossed = sign_checkpoint(LOG.checkpoint(), verdicts.origin, verdicts.private)
    with pytest.raises(CheckpointError, match="not signed by the key of its log"):
        open_checkpoint(crossed, policy, origin=ORIGIN)
    with pytest.raises(CheckpointError, match="another log"):
        open_checkpoint(verdicts.note().text, policy, origin=ORIGIN)
    assert open_checkpoint(verdicts.note().text, policy, origin=verdicts.origin).checkpoint.size == 3


def test_a_known_key_whose_signature_does_not_verify_spoils_the_note() -> None:
    policy = policy_of([LOG], [ALFA, BETA])
    other = ALFA.cosigned(LOG.note(6)).signatures[1]
    stolen = LOG.note().with_lines(other)
    with pytest.raises(CheckpointError, match="does not verify"):
        open_checkpoint(stolen.text, policy, origin=ORIGIN)
    key = ALFA.line.key
    short = LOG.note().with_lines(SignatureLine(key.name, key.key_id, other.value[:-1]))
    with pytest.raises(CheckpointError, match="wrong size"):
        open_checkpoint(short.text, policy, origin=ORIGIN)
    late = SignatureLine(key.name, key.key_id, b"\xff" * 8 + other.value[8:])
    with pytest.raises(CheckpointError, match="out of range"):
        open_checkpoint(LOG.note().with_lines(late).text, policy, origin=ORIGIN)


def test_the_time_of_a_cosignature_is_signed() -> None:
    line = NOTE.signatures[1]
    later = SignatureLine(line.name, line.key_id, (MOMENT + 1).to_bytes(8, "big") + line.value[8:])
    with pytest.raises(CheckpointError, match="does not verify"):
        open_checkpoint(LOG.note().with_lines(later).text, POLICY, origin=ORIGIN)


def test_a_plain_signature_is_not_a_cosignature() -> None:
    key = ALFA.line.key
    (plain,) = Note.parse(sign_checkpoint(LOG.checkpoint(), ALFA.name, ALFA.private)).signatures
    padded = SignatureLine(key.name, key.key_id, bytes(8) + plain.value)
    with pytest.raises(CheckpointError, match="does not verify"):
        open_checkpoint(LOG.note().with_lines(padded).text, POLICY, origin=ORIGIN)


def test_more_lines_are_signed_and_otherwise_ignored() -> None:
    body = LOG.checkpoint().body + "something else\nand more\n"
    (line,) = Note.parse(sign_checkpoint(LOG.checkpoint(), ORIGIN, LOG.private)).signatures
    with pytest.raises(CheckpointError, match="does not verify"):
        open_checkpoint(Note(body, (line,)).text, policy_of([LOG]), origin=ORIGIN)

    class Longer(Checkpoint):
        @property
        def body(self) -> str:
            return body

    longer = Longer(*(getattr(LOG.checkpoint(), name) for name in ("origin", "size", "root")))
    note = ALFA.cosigned(Note.parse(sign_checkpoint(longer, ORIGIN, LOG.private)))
    opened = open_checkpoint(note.text, POLICY, origin=ORIGIN)
    assert opened.checkpoint == LOG.checkpoint()
    with pytest.raises(CheckpointError):
        open_checkpoint(note.text.replace("and more", "and less"), POLICY, origin=ORIGIN)
    with pytest.raises(CheckpointError, match="covers three lines"):
        cosign_ml_dsa(note, "w", secret("w"), 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n7\n", "\n07\n"),
        ("\n7\n", "\n+7\n"),
        ("\n7\n", "\n٧\n"),
        ("\n7\n", "\n9223372036854775808\n"),
        ("\n7\n", "\n7 \n"),
        ("\n7\n", "\n"),
        ("\n\n", "\n"),
        ("\n\n", "\n\n\n"),
        (f"{ORIGIN}\n", "\n"),
        (ORIGIN + "\n", ORIGIN + "\x0b\n"),
        ("— ", "- "),
        ("\n", "\r\n"),
    ],
)
def test_another_spelling_is_refused(old: str, new: str) -> None:
    assert old in NOTE.text
    with pytest.raises(CheckpointError):
        open_checkpoint(NOTE.text.replace(old, new), policy_of([LOG]), origin=ORIGIN)


def test_other_padding_bits_are_another_spelling() -> None:
    root = base64.b64encode(LOG.checkpoint().root).decode()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = root[:-2] + letters[letters.index(root[-2]) | 1] + "="
    assert base64.b64decode(twin) == LOG.checkpoint().root
    with pytest.raises(CheckpointError, match="canonical base64"):
        open_checkpoint(NOTE.text.replace(root, twin), POLICY, origin=ORIGIN)


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 0, bytes(32)),
        ("a\nb", 0, bytes(32)),
        ("é" * 128, 0, bytes(32)),
        ("a", -1, bytes(32)),
        ("a", 2**63, bytes(32)),
        ("a", 0, bytes(31)),
    ],
)
def test_impossible_checkpoints_are_refused(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint(origin, size, root)


def test_an_origin_may_have_spaces_and_255_bytes() -> None:
    assert Checkpoint("go.sum database tree", 0, bytes(32)).body.startswith("go.sum database tree\n0\n")
    assert Checkpoint("é" * 127 + "a", 0, bytes(32)).size == 0


def test_ml_dsa_cosignatures_are_made_and_verified() -> None:
    seed, name = secret("ml-dsa"), "counterfoil.example/witness/GAMMAIT2"
    line = cosign_ml_dsa(LOG.note(), name, seed, MOMENT)
    key = _ml_dsa_key(name, seed)
    note = LOG.note().with_lines(line)
    policy = Policy.parse(f"log {LOG.key.text}\nwitness G {key.text}\nquorum G\n")
    assert open_checkpoint(note.text, policy, origin=ORIGIN).cosigned_by == (("G", MOMENT),)
    with pytest.raises(CheckpointError, match="does not verify"):
        verified(key, LOG.note(6).with_lines(line), line)
    renamed = _ml_dsa_key("another", seed)
    moved = SignatureLine("another", renamed.key_id, line.value)
    with pytest.raises(CheckpointError, match="does not verify"):
        verified(renamed, LOG.note(), moved)


def test_a_log_may_sign_with_ml_dsa() -> None:
    seed = secret("ml-dsa log")
    note = Note(LOG.checkpoint().body, (cosign_ml_dsa(LOG.note(), ORIGIN, seed, 0),))
    policy = Policy.parse(f"log {_ml_dsa_key(ORIGIN, seed).text}\nquorum none\n")
    assert open_checkpoint(note.text, policy, origin=ORIGIN).checkpoint == LOG.checkpoint()


def _ml_dsa_key(name: str, seed: bytes) -> VerifierKey:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    public = MLDSA44PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()
    return VerifierKey(name, KeyType.ML_DSA_44, public)


def test_cosigning_refuses_names_that_a_note_cannot_hold() -> None:
    from ledger.errors import ConfigurationError

    for name in ("", "a b", "a+b", "a\u2003b"):
        with pytest.raises(ConfigurationError):
            cosign(NOTE, name, ALFA.private, MOMENT)
