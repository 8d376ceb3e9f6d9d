"""A decision says one thing, to its readers and its author, about one flag; and tells others nothing."""

from __future__ import annotations

import json

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from ledger.decision import MAX_REASON, Decision, officer_reader_key, open_decision, seal_decision
from ledger.envelope import generate_keypair
from ledger.errors import ConfigurationError, CounterfoilError, InputError, VerificationError
from ledger.signing import SoftwareAccount

FLAG = bytes(range(32))
KEY = b"\x07" * 32
AUTHOR = str(Account.from_key(KEY).address)
PRIVATE, PUBLIC = generate_keypair()
OTHER, _ = generate_keypair()


def _sealed(verdict: str = "suspicious", reason: str = "seen before") -> tuple[Decision, bytes]:
    decision = Decision.make(FLAG, verdict, reason, 1_800_000_000)
    return decision, seal_decision(decision, AUTHOR, KEY, [PUBLIC])


@given(
    st.sampled_from(["suspicious", "not_suspicious"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_REASON),
)
def test_it_is_read_as_it_was_written(verdict: str, reason: str) -> None:
    decision, _ = _sealed(verdict, reason)
    assert Decision.from_bytes(decision.to_bytes()) == decision
    assert len(decision.to_bytes()) % 1_024 == 0


def test_the_reader_and_the_author_open_it_and_nobody_else() -> None:
    decision, payload = _sealed()
    content = decision.content_hash(AUTHOR)
    for private in (PRIVATE, officer_reader_key(KEY)):
        assert open_decision(payload, FLAG, AUTHOR, content, [OTHER, private]) == decision
    with pytest.raises(VerificationError, match="not sealed to any of these keys"):
        open_decision(payload, FLAG, AUTHOR, content, [OTHER])


def test_neither_flag_nor_author_nor_hash_can_be_another() -> None:
    decision, payload = _sealed()
    content = decision.content_hash(AUTHOR)
    thief = str(Account.from_key(b"\x08" * 32).address)
    for flag, author, hashed in (
        (bytes(32), AUTHOR, content),
        (FLAG, thief, decision.content_hash(thief)),
        (FLAG, AUTHOR, bytes(32)),
    ):
        with pytest.raises(VerificationError):
            open_decision(payload, flag, author, hashed, [PRIVATE])


def test_length_and_hash_do_not_tell_the_verdict() -> None:
    sealed = [_sealed(verdict, "") for verdict in ("suspicious", "not_suspicious", "suspicious")]
    assert len({len(payload) for _, payload in sealed}) == 1
    assert len({decision.content_hash(AUTHOR) for decision, _ in sealed}) == 3


@pytest.mark.parametrize(
    ("verdict", "reason"), [("guilty", ""), ("suspicious", "x" * (MAX_REASON + 1)), ("suspicious", "\udc80")]
)
def test_what_cannot_be_decided_is_said_at_once(verdict: str, reason: str) -> None:
    with pytest.raises(InputError):
        Decision.make(FLAG, verdict, reason, 0)


@settings(max_examples=60)
@given(st.data())
def test_a_changed_document_or_payload_is_refused(data: st.DataObject) -> None:
    decision, payload = _sealed()
    place = data.draw(st.integers(0, len(payload) - 1))
    broken = payload[:place] + bytes([payload[place] ^ data.draw(st.integers(1, 255))]) + payload[place + 1 :]
    try:
        opened = open_decision(broken, FLAG, AUTHOR, decision.content_hash(AUTHOR), [PRIVATE])
    except CounterfoilError:
        opened = None
    assert opened in (None, decision)  # a byte of the author's own wrap changes nothing for the reader
    value = json.loads(decision.to_bytes())
    name = data.draw(st.sampled_from(sorted(value)))
    value[name] = data.draw(st.sampled_from([None, 7, "", "suspicious ", [], "ab" * 16]))
    try:
        other = Decision.from_bytes(canonical.dumps(value))
    except VerificationError:
        return
    # another reason of the same length gives a valid document that does not match the hash
    assert other.content_hash(AUTHOR) != decision.content_hash(AUTHOR)


def test_an_officer_whose_account_is_on_a_token_opens_decisions_with_a_key_of_its_own() -> None:
    """Nothing can be derived from a key that is never handed out."""
    decision = Decision.make(FLAG, "suspicious", "reason", 1)
    account = SoftwareAccount(KEY)
    own, _ = generate_keypair()
    payload = seal_decision(decision, AUTHOR, account, [], reader_key=own)
    assert open_decision(payload, FLAG, AUTHOR, decision.content_hash(AUTHOR), [own]) == decision
    with pytest.raises(ConfigurationError, match="on a token") as caught:
        seal_decision(decision, AUTHOR, account, [])
    assert caught.value.next_step
