"""Signed notes and verifier keys: one byte form each; lines of unknown keys are only well-formed."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import ConfigurationError
from ledger.log import CheckpointError, KeyType, Note, VerifierKey, generate_signing_key
from ledger.log.notes import SignatureLine, base64_value, decimal
from tests.support.logs import SmallLog, SmallWitness

names = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Z"), blacklist_characters="+"), min_size=1, max_size=40
).filter(lambda name: not any(letter.isspace() for letter in name))
lines = st.builds(SignatureLine, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))
bodies = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=80).map("{}\n".format)


@given(bodies, st.lists(lines, min_size=1, max_size=5))
def test_a_note_is_read_as_it_was_written(body: str, signatures: list[SignatureLine]) -> None:
    note = Note(body, tuple(signatures))
    assert Note.parse(note.text) == note
    assert Note.parse(note.text.encode()) == note


@given(names, st.sampled_from([KeyType.ED25519, KeyType.COSIGNATURE]))
def test_a_verifier_key_is_read_as_it_was_written(name: str, kind: KeyType) -> None:
    key = VerifierKey(name, kind, generate_signing_key()[1])
    assert VerifierKey.parse(key.text) == key


def test_an_ml_dsa_key_is_read_as_it_was_written() -> None:
    key = VerifierKey("w", KeyType.ML_DSA_44, bytes(range(164)) * 8)
    assert VerifierKey.parse(key.text) == key


def test_a_changed_verifier_key_is_refused() -> None:
    text = SmallLog().key.text
    for position in range(len(text)):
        swapped = "B" if text[position] == "A" else "A"
        with pytest.raises(ConfigurationError):
            VerifierKey.parse(text[:position] + swapped + text[position + 1 :])
    for bad in ("", "a", "a+b+c", text + "=", text + "\n", " " + text, text.replace("+", "++", 1)):
        with pytest.raises(ConfigurationError):
            VerifierKey.parse(bad)


def test_a_key_of_an_unknown_type_is_refused() -> None:
    raw = base64.b64encode(b"\x02" + bytes(32)).decode()
    with pytest.raises(ConfigurationError, match="known type"):
        VerifierKey.parse(f"a+00000000+{raw}")


@pytest.mark.parametrize(
    "public",
    [
        bytes(32),  # order 4
        bytes([1]) + bytes(31),  # the neutral element: S = 0 and R = it verify for every message
        bytes([1]) + bytes(30) + b"\x80",
        bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
        bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),  # 0 again
        b"\xff" * 32,
    ],
)
@pytest.mark.parametrize("kind", [KeyType.ED25519, KeyType.COSIGNATURE])
def test_a_key_under_which_anybody_can_sign_is_refused(public: bytes, kind: KeyType) -> None:
    with pytest.raises(ConfigurationError, match="anybody could sign"):
        VerifierKey("a", kind, public)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "a\x1fb", "é" * 128, "\ud800"])
def test_a_name_that_a_note_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="key name"):
        VerifierKey(name, KeyType.ED25519, SmallLog().key.public)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n\n",
        "text\n— a AAAAAAAA\n",
        "text\n\n— a AAAAAAAA",  # no line feed at the end
        "text\n\n— a AAAAAA==\n",  # a key ID without a signature
        "text\n\n— a AAAAAAAB=\n",
        "text\n\n— a AAAAAAB=\n",  # other padding bits
        "text\n\n- a AAAAAAAA\n",
        "text\n\n—  a AAAAAAAA\n",
        "text\n\n— a  AAAAAAAA\n",
        "text\n\n— a AAAAAAAA \n",
        "text\n\n— a+b AAAAAAAA\n",
        "text\n\n— a AAAAAAAA\nanything\n",
        "te\x00xt\n\n— a AAAAAAAA\n",
        "te\rxt\n\n— a AAAAAAAA\n",
        "te\txt\n\n— a AAAAAAAA\n",
    ],
)
def test_what_is_no_signed_note_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        Note.parse(text)


def test_the_last_empty_line_ends_the_text() -> None:
    note = Note.parse("first\n\nsecond\n\n— a AAAAAAAA\n")
    assert note.body == "first\n\nsecond\n"
    assert len(note.signatures) == 1


def test_a_note_without_end_is_refused() -> None:
    with pytest.raises(CheckpointError, match="too long"):
        Note.parse("a" * 300_000)
    with pytest.raises(CheckpointError, match="too many"):
        Note.parse("a\n\n" + "— a AAAAAAAA\n" * 129)
    assert len(Note.parse("a\n\n" + "— a AAAAAAAA\n" * 128).signatures) == 128, "C2SP wants at least 16"
    with pytest.raises(CheckpointError, match="not UTF-8"):
        Note.parse(b"a\xff\n\n")
    with pytest.raises(CheckpointError, match="not UTF-8"):
        Note.parse("a\ud800\n\n")


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_noise_is_refused_not_crashed_on(noise: str | bytes) -> None:
    try:
        note = Note.parse(noise)
    except CheckpointError:
        return
    assert note.text == (noise if isinstance(noise, str) else noise.decode())


def test_a_line_names_a_key_by_name_and_key_id_together() -> None:
    bank = SmallWitness("ALFADE20")
    note = bank.cosigned(SmallLog.of(3).note())
    (_, line) = note.signatures
    assert note.line_of(bank.line.key) == line
    log_key = VerifierKey(bank.line.key.name, KeyType.ED25519, bank.line.key.public)
    assert note.line_of(log_key) is None, "the same key and name, for another type of signatures"
    renamed = Note(note.body, (SignatureLine("other", line.key_id, line.value),))
    assert renamed.line_of(bank.line.key) is None


def test_two_lines_of_one_key_are_refused() -> None:
    bank = SmallWitness("ALFADE20")
    note = bank.cosigned(bank.cosigned(SmallLog.of(3).note(), 1), 2)
    with pytest.raises(CheckpointError, match="two signatures of one key"):
        note.line_of(bank.line.key)


@pytest.mark.parametrize("text", ["", "01", "+1", "-1", "1 ", "١", "1.0", "0x1", str(2**63), "9" * 20])
def test_other_spellings_of_a_number_are_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        decimal(text)


def test_numbers_and_base64_have_one_spelling() -> None:
    assert decimal(str(2**63 - 1)) == 2**63 - 1
    assert decimal("0") == 0
    with pytest.raises(CheckpointError, match="32 bytes"):
        base64_value("AAAA", 32)
    with pytest.raises(CheckpointError):
        base64_value("")
