"""Notes that others published, signed with keys of theirs: real logs, and test data of implementations."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from ledger.log import CheckpointError, KeyType, Note, VerifierKey, public_key
from ledger.log.checkpoint import read_checkpoint, signed_by_log
from ledger.log.cosignature import verified
from ledger.witness import RefusedError, Witness

FOLDER: Final = Path(__file__).parent / "vectors"

#: The Go checksum database, a log since 2019.
GO_SUM: Final = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
#: A log of Certificate Transparency that public witnesses cosign; it signs twice, with two types of keys.
CT_LOG: Final = (
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
)
CT_WITNESS: Final = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
#: The example of the Go package from which the format of notes comes (golang.org/x/mod/sumdb/note).
GO_KEY: Final = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#: A Sigsum log of the tests of a public witness (FiloSottile/torchwood), with requests of 1, 3 and 5 entries.
SIGSUM_KEY: Final = VerifierKey(
    "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562",
    KeyType.ED25519,
    bytes.fromhex("ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f"),
)


def published(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


def test_a_checkpoint_of_the_go_checksum_database() -> None:
    key, note = VerifierKey.parse(GO_SUM), Note.parse(published("go-sum.note"))
    line = note.line_of(key)
    assert line is not None
    assert verified(key, note, line) == 0
    assert read_checkpoint(note).origin == "go.sum database tree"
    assert read_checkpoint(note).size == 15_067_302
    for old, new in (("15067302", "15067303"), ("gJyi", "hJyi")):
        with pytest.raises(CheckpointError, match="does not verify"):
            verified(key, Note.parse(note.text.replace(old, new)), line)


def test_the_example_of_the_go_package() -> None:
    key, note = VerifierKey.parse(GO_KEY), Note.parse(published("go-example.note"))
    (line,) = note.signatures
    assert line.is_of(key)
    assert verified(key, note, line) == 0
    with pytest.raises(CheckpointError):
        read_checkpoint(note)


def test_a_checkpoint_that_public_witnesses_cosigned() -> None:
    log, witness = VerifierKey.parse(CT_LOG), VerifierKey.parse(CT_WITNESS)
    note = Note.parse(published("certificate-transparency.note"))
    assert note.text == published("certificate-transparency.note")
    assert signed_by_log(note, [log]).size == 1_432_088_532
    line = note.line_of(witness)
    assert line is not None
    assert verified(witness, note, line) == 0x6A122120
    with pytest.raises(CheckpointError, match="does not verify"):
        verified(witness, Note.parse(note.text.replace("1432088532", "42")), line)


def test_an_ml_dsa_signature_of_another_implementation() -> None:
    """The log of the tests of FiloSottile/torchwood that signs with ML-DSA-44."""
    key = VerifierKey.parse(published("ml-dsa-44.vkey").strip())
    note = Note.parse(published("ml-dsa-44.note"))
    assert key.type is KeyType.ML_DSA_44
    assert signed_by_log(note, [key]).size == 1
    (line,) = note.signatures
    other = Note(note.body.replace("\n1\n", "\n2\n"), note.signatures)
    with pytest.raises(CheckpointError, match="does not verify"):
        verified(key, other, line)


def test_a_witness_takes_the_requests_of_another_log(tmp_path: Path) -> None:
    private = bytes.fromhex("31ffc2116ecbe003acaa800ab70757bd7d53206e3febef6a6d0796d95530b34f")
    assert public_key(private).hex() == "64848ad8abed6e85981b3b3875b252b8767ebb4b02f703aca3b1e71bbd6a8e50"
    witness = Witness(tmp_path, "example.com", private, [SIGSUM_KEY])
    for size in (1, 5):
        request = published(f"sigsum-{size}.request").encode()
        line = witness.add_checkpoint(request)
        note = Note.parse(request.partition(b"\n\n")[2] + line.encode())
        assert verified(witness.key, note, note.signatures[-1]) > 0
    with pytest.raises(RefusedError) as caught:
        witness.add_checkpoint(published("sigsum-3.request").encode())
    assert (caught.value.status, caught.value.size) == (409, 5), "rolling back two leaves"
