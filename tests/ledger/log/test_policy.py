"""Policies: C2SP tlog-policy to the letter, and what a quorum is."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import ConfigurationError
from ledger.log import CheckpointError, KeyType, Policy, VerifierKey, consortium_policy
from ledger.log.policy import Group, Log, Witness
from tests.support.logs import SmallLog, SmallWitness, secret

LOG = SmallLog().key.text
KEYS = [SmallWitness(f"W{i}").line.key.text for i in range(40)]


def test_the_example_of_the_specification() -> None:
    policy = Policy.parse(
        f"log {LOG}\n\n"
        f"witness X1 {KEYS[0]}\nwitness X2 {KEYS[1]}\nwitness X3 {KEYS[2]}\n"
        "group X-witnesses 2 X1 X2 X3\n\n"
        f"witness Y1 {KEYS[3]}\nwitness Y2 {KEYS[4]}\nwitness Y3 {KEYS[5]}\n"
        "group Y-witnesses any Y1 Y2 Y3\n\n"
        "group X-and-Y all X-witnesses Y-witnesses\n"
        "quorum X-and-Y\n"
    )
    assert policy.groups["X-witnesses"] == Group("X-witnesses", 2, ("X1", "X2", "X3"))
    assert policy.groups["X-and-Y"] == Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses"))
    for count in range(7):
        for chosen in combinations(policy.witnesses, count):
            good = sum(name[0] == "X" for name in chosen) >= 2 and any(name[0] == "Y" for name in chosen)
            if good:
                policy.require(chosen)
            else:
                with pytest.raises(CheckpointError, match="quorum"):
                    policy.require(chosen)


def test_white_space_comments_and_urls() -> None:
    policy = Policy.parse(
        f"\n# comment\n\t # another\n\twitness \t w1  {KEYS[0]}   https://w1.example/  \n"
        f"log\t{LOG} https://log.example/\n\n  quorum\tw1"
    )
    assert policy.witnesses["w1"] == Witness("w1", VerifierKey.parse(KEYS[0]), "https://w1.example/")
    assert policy.logs[SmallLog().origin] == Log(SmallLog().key, "https://log.example/")
    assert policy.without_urls().text == f"log {LOG}\nwitness w1 {KEYS[0]}\nquorum w1\n"
    assert policy.without_urls().without_urls() == policy.without_urls()


def test_names_are_bytes() -> None:
    raw = b"witness K\xe2\x84\xaa\x80 " + KEYS[0].encode() + b"\nquorum K\xe2\x84\xaa\x80\n"
    policy = Policy.parse(raw)
    (name,) = policy.witnesses
    assert name.encode("utf-8", "surrogateescape") == b"K\xe2\x84\xaa\x80"
    wide = f"witness a\u00a0b\u2003c {KEYS[0]}\nquorum a\u00a0b\u2003c\n"
    assert list(Policy.parse(wide).witnesses) == ["a\u00a0b\u2003c"], "only space and tab separate words"
    with pytest.raises(ConfigurationError, match="not a witness or a group"):
        Policy.parse(f"witness \u212a {KEYS[0]}\nquorum K\n")


def test_keywords_may_be_names() -> None:
    policy = Policy.parse(
        f"witness all {KEYS[0]}\nwitness any {KEYS[1]}\ngroup group 2 all any\nquorum group\n"
    )
    policy.require({"all", "any"})
    with pytest.raises(CheckpointError):
        policy.require({"all", "group"})


def test_no_quorum_needs_no_witness() -> None:
    Policy.parse("quorum none\n").require(())
    Policy.parse(f"log {LOG}\nwitness w {KEYS[0]}\nquorum none\n").require(())


def test_limits_that_an_implementation_must_support() -> None:
    lines = [f"log {SmallLog(private=secret(f'log {i}')).key.text}" for i in range(32)]
    lines += [f"witness w{i} {KEYS[i]}" for i in range(32)]
    lines += ["group g0 1 w0", *(f"group g{i} all g{i - 1} w{i}" for i in range(1, 32)), "quorum g31"]
    policy = Policy.parse("\n".join(lines) + "\n")
    assert (len(policy.log_keys), len(policy.witnesses), len(policy.groups)) == (32, 32, 32)
    policy.require(policy.witnesses)
    with pytest.raises(CheckpointError):
        policy.require(set(policy.witnesses) - {"w0"})


W1 = f"witness w1 {KEYS[0]}\n"
W2 = f"witness w2 {KEYS[1]}\n"
PLAIN = VerifierKey("w", KeyType.ED25519, VerifierKey.parse(KEYS[0]).public).text
TWIN = VerifierKey("impostor", KeyType.COSIGNATURE, VerifierKey.parse(KEYS[0]).public).text
OTHER_LOG = VerifierKey("other", KeyType.ED25519, SmallLog().key.public).text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quorum none\n\x01", "control character"),
        ("quorum none\r\n", "control character"),
        ("quorum none\x7f\n", "control character"),
        ("quibble w1\nquorum none\n", "begins with none of"),
        (f"witness w1 {KEYS[0]} https://w1.example/ # comment\nquorum w1\n", "at most a URL"),
        ("log\nquorum none\n", "at most a URL"),
        ("log garbage\nquorum none\n", "not a verifier key"),
        (f"log {KEYS[0]}\nquorum none\n", "the type of the key"),
        (f"log {LOG}\nlog {LOG} https://log.example/\nquorum none\n", "same key"),
        (f"log {LOG}\nlog {OTHER_LOG}\nquorum none\n", "same key"),
        ("witness w1\nquorum none\n", "has a name and a verifier key"),
        (f"witness w1 {PLAIN}\nquorum w1\n", "the type of the key"),
        (f"witness none {KEYS[0]}\nquorum none\n", "is taken"),
        (f"{W1}witness w1 {KEYS[1]}\nquorum w1\n", "is taken"),
        (f"{W1}witness w2 {TWIN}\nquorum w1\n", "same key"),
        (f"{W1}group w1 any w1\nquorum w1\n", "is taken"),
        (f"{W1}group g 1\nquorum w1\n", "at least one member"),
        (f"{W1}group none any w1\nquorum none\n", "is taken"),
        (f"{W1}group g 0 w1\nquorum g\n", "1 to 1"),
        (f"{W1}group g -1 w1\nquorum g\n", "1 to 1"),
        (f"{W1}group g 01 w1\nquorum g\n", "1 to 1"),
        (f"{W1}group g 2 w1\nquorum g\n", "1 to 1"),
        (f"{W1}group g \u0661 w1\nquorum g\n", "1 to 1"),
        (f"{W1}group g any w2\nquorum g\n", "not defined before"),
        (f"group g any w1\n{W1}quorum g\n", "not defined before"),
        (f"{W1}group g any none w1\nquorum g\n", "not defined before"),
        (f"{W1}group g any g\nquorum g\n", "not defined before"),
        (f"{W1}group g all w1 w1\nquorum g\n", "member of two groups"),
        (f"{W1}{W2}group g any w1 w2\ngroup h any w1\nquorum g\n", "member of two groups"),
        (W1, "no quorum line"),
        (f"{W1}quorum w1\nquorum w1\n", "exactly one quorum"),
        ("quorum unknown\n", "not a witness or a group"),
        (f"quorum w1\n{W1}", "not a witness or a group"),
        ("quorum\n", "exactly one quorum"),
        ("quorum none none\n", "exactly one quorum"),
        (" " * (2**20 + 1), "too long"),
    ],
)
def test_what_is_no_policy_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Policy.parse(text)


@given(st.text(max_size=100) | st.binary(max_size=100))
def test_noise_is_refused_not_crashed_on(noise: str | bytes) -> None:
    with pytest.raises(ConfigurationError):
        Policy.parse(noise)


@given(st.integers(0, 6), st.integers(0, 6))
def test_the_policy_of_a_consortium(witnesses: int, k: int) -> None:
    named = [Witness(f"BANK{i}", SmallWitness(f"BANK{i}").line.key, "http://w") for i in range(witnesses)]
    verdicts = SmallLog(origin="counterfoil.example/verdicts", private=secret("verdicts"))
    logs = [Log(SmallLog().key), Log(verdicts.key)]
    if k > witnesses:
        with pytest.raises(ConfigurationError, match="not possible"):
            consortium_policy(logs, named, k)
        return
    policy = consortium_policy(logs, named, k)
    assert Policy.parse(policy.text) == policy
    assert list(policy.logs) == [SmallLog().origin, verdicts.origin]
    policy.require([f"BANK{i}" for i in range(k)])
    if k:
        with pytest.raises(CheckpointError):
            policy.require([f"BANK{i}" for i in range(k - 1)])


def test_one_bank_cannot_be_two_witnesses_of_a_quorum() -> None:
    key = SmallWitness("ALFADE20").line.key
    with pytest.raises(ConfigurationError, match="same key"):
        consortium_policy([], [Witness("A", key), Witness("B", key)], 2)
    policy = consortium_policy([], [Witness("A", key)], 1)
    with pytest.raises(CheckpointError):
        policy.require(["B", "C", "witnesses"])
