"""Notes that others published, signed with keys of theirs: real logs, and test data of C2SP implementations."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from ledger.log import CheckpointError, KeyType, Note, VerifierKey, public_key
from ledger.log.checkpoint import read_checkpoint, signed_by_log
from ledger.log.cosignature import verified
from ledger.witness import RefusedError, Witness

FOLDER: Final = Path(__file__).parent / "vectors"

#: The Go checksum database, a log since 2019, and one of its checkpoints.
GO_SUM: Final = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
GO_NOTE: Final = (
    "go.sum database tree\n15067302\ngJyioq6dwR9n+NjEWORfYmH+ubeYm3kH42BBQ0bTpYI=\n\n"
    "— sum.golang.org Az3grp1rvWOs5NKlr/xR4GLN/CDyzzakmt1o61uSxYKpK1SerqOP2ClbX/peKUZjYnyomH5Xz7GZG3TpB7OeKn4E"
    "2ww=\n"
    "— test.example.com qTGhC/xIPQ0AXKHK6Y+9ypRfuvMZWPjRXM8NiOg5M1WREn07VQXyuIXM3NRNav3ieVFLUqDRK77PWDmL6w8w84"
    "UqeAw=\n"
)

#: A log of Certificate Transparency, cosigned by public witnesses; the log signs twice, with two types of keys.
CT_LOG: Final = (
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
)
CT_WITNESS: Final = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
CT_NOTE: Final = (
    "arche2025h1.staging.ct.transparency.dev\n1432088532\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n\n"
    "— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllza"
    "lApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=\n"
    "— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1b"
    "fTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n"
    "— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVk"
    "jZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==\n"
    "— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TO"
    "QtmJbqmNWVuE0tgh0XwzdZsDsUAQ==\n"
    "— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0"
    "WBxtqB0DrAWfBw==\n"
    "— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7"
    "lI7cUiOvKFYe/TmN9DAg==\n"
)

#: The example of the Go package from which the format of notes comes (golang.org/x/mod/sumdb/note).
GO_KEY: Final = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_EXAMPLE: Final = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnA"
    "M=\n"
)

#: A Sigsum log of the tests of a public witness (FiloSottile/torchwood), and its checkpoints of 1, 3 and 5 entries.
SIGSUM: Final = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
SIGSUM_KEY: Final = VerifierKey(
    SIGSUM,
    KeyType.ED25519,
    bytes.fromhex("ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f"),
)
SIGSUM_REQUESTS: Final = {
    1: (
        f"old 0\n\n{SIGSUM}\n1\nKgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
        f"— {SIGSUM} UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUb"
        "IQY=\n"
    ),
    3: (
        "old 1\nKgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nKgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
        f"{SIGSUM}\n3\nRcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=\n\n"
        f"— {SIGSUM} UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx"
        "6go=\n"
    ),
    5: (
        "old 1\nKgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n+fUDV+k970B4I3uKrqJM4aP1lloPZP8mvr2Z4wRw2LI=\n"
        "KgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
        f"{SIGSUM}\n5\nQrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY=\n\n"
        f"— {SIGSUM} UgIomw/EOJmWi0i1FQsOj+etB7F8IccFam/jgd6wzRns4QPVmyEZtdvl1U2KEmLOZ/ASRcWJi0tW90dJWAShei7s"
        "Dww=\n"
    ),
}


def test_a_checkpoint_of_the_go_checksum_database() -> None:
    key, note = VerifierKey.parse(GO_SUM), Note.parse(GO_NOTE)
    line = note.line_of(key)
    assert line is not None
    assert verified(key, note, line) == 0
    assert read_checkpoint(note).origin == "go.sum database tree"
    assert read_checkpoint(note).size == 15_067_302
    for bad in (GO_NOTE.replace("15067302", "15067303"), GO_NOTE.replace("gJyi", "hJyi")):
        with pytest.raises(CheckpointError, match="does not verify"):
            verified(key, Note.parse(bad), line)


def test_the_example_of_the_go_package() -> None:
    key, note = VerifierKey.parse(GO_KEY), Note.parse(GO_EXAMPLE)
    (line,) = note.signatures
    assert line.is_of(key)
    assert verified(key, note, line) == 0
    with pytest.raises(CheckpointError):
        read_checkpoint(note)


def test_a_checkpoint_that_public_witnesses_cosigned() -> None:
    log, witness, note = VerifierKey.parse(CT_LOG), VerifierKey.parse(CT_WITNESS), Note.parse(CT_NOTE)
    assert note.text == CT_NOTE
    assert signed_by_log(note, [log]).size == 1_432_088_532
    line = note.line_of(witness)
    assert line is not None
    assert verified(witness, note, line) == 0x6A122120
    with pytest.raises(CheckpointError, match="does not verify"):
        verified(witness, Note.parse(CT_NOTE.replace("1432088532", "42")), line)


def test_an_ml_dsa_signature_of_another_implementation() -> None:
    """The log of the tests of FiloSottile/torchwood that signs with ML-DSA-44."""
    key = VerifierKey.parse((FOLDER / "ml-dsa-44.vkey").read_text("utf-8").strip())
    note = Note.parse((FOLDER / "ml-dsa-44.note").read_bytes())
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
        request = SIGSUM_REQUESTS[size].encode()
        line = witness.add_checkpoint(request)
        note = Note.parse(request.partition(b"\n\n")[2] + line.encode())
        assert verified(witness.key, note, note.signatures[-1]) > 0
    with pytest.raises(RefusedError) as caught:
        witness.add_checkpoint(SIGSUM_REQUESTS[3].encode())
    assert (caught.value.status, caught.value.size) == (409, 5), "rolling back two leaves"
