"""The request `add-checkpoint` and its answers: C2SP tlog-witness."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log import CheckpointError
from ledger.log.submission import Submission, answered_lines, answered_size
from tests.support.logs import SmallLog, SmallWitness

LOG = SmallLog.of(7)


def test_the_example_of_the_specification_is_read() -> None:
    body = (
        "old 20852014\n"
        "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
        "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
        "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
        "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
        "\n"
        "example.com/behind-the-sofa\n"
        "20852163\n"
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
        "\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGz"
        "Gku9nTo+zyWE+xeMcTOAYQ8=\n"
        "— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEj"
        "w6QUXTS5Rovnzv++qbSzm9Q=\n"
    ).encode()
    submission = Submission.parse(body)
    assert (submission.old, len(submission.proof), len(submission.note.signatures)) == (20_852_014, 4, 2)
    assert submission.to_bytes() == body
    lines = body.decode().split("\n\n")[2].encode()
    assert answered_lines(lines) == submission.note.signatures


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_request_is_read_as_it_was_written(old: int, proof: list[bytes]) -> None:
    made = Submission(old, tuple(proof), LOG.note())
    assert Submission.parse(made.to_bytes()) == made


NOTE = LOG.note().text
HASH = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "old 1\n",
        f"old 1\n{NOTE}",
        f"{NOTE}",
        f"\n\n{NOTE}",
        f"old\n\n{NOTE}",
        f"old 01\n\n{NOTE}",
        f"old -1\n\n{NOTE}",
        f"old 1 \n\n{NOTE}",
        f"old  1\n\n{NOTE}",
        f"Old 1\n\n{NOTE}",
        f"old 1\r\n\r\n{NOTE}",
        f"old 9223372036854775808\n\n{NOTE}",
        f"old 1\n{HASH[:-1]}\n\n{NOTE}",
        f"old 1\n{HASH}AAAA\n\n{NOTE}",
        f"old 1\nÄ{HASH[1:]}\n\n{NOTE}",
        f"old 1\n{(HASH + chr(10)) * 64}\n{NOTE}",
        f"old 1\n\n{NOTE[:-1]}",
    ],
)
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        Submission.parse(text.encode())


@given(st.binary(max_size=200))
def test_noise_is_refused_not_crashed_on(noise: bytes) -> None:
    for read in (Submission.parse, answered_lines):
        with pytest.raises(CheckpointError):
            read(noise)


def test_answers() -> None:
    (_, line) = SmallWitness("ALFADE20").cosigned(LOG.note()).signatures
    assert answered_lines((line.text * 2).encode()) == (line, line)
    assert answered_size(b"20852014\n") == 20_852_014
    for bad in (b"", b"1", b"1\n\n", b"01\n", b"-1\n", b"\xff\n", b"1 \n"):
        with pytest.raises(CheckpointError):
            answered_size(bad)
    for bad in (b"", b"\n", line.text[:-1].encode(), b"anything\n", line.text.encode() + b"\n"):
        with pytest.raises(CheckpointError):
            answered_lines(bad)
