"""Attacks on receipts: a desk, an operator or a bank that wants to prove a posting that never was.

The attacker of each test is named in its docstring, with what it would have gained. Where the desk attacks,
it has both log keys; where witnesses take part, they are honest unless the test says so.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest

from ledger import canonical
from ledger.audit.trust import Trust
from ledger.audit.verify import verify
from ledger.commitment import merkle
from ledger.encoding.rows import rows_from_bytes
from ledger.entries import batch_entry
from ledger.errors import VerificationError
from ledger.log import (
    Checkpoint,
    KeyType,
    Note,
    Policy,
    Proof,
    VerifierKey,
    generate_signing_key,
    sign_checkpoint,
)  # fmt: skip
from ledger.log.cosignature import cosign
from ledger.log.notes import SignatureLine
from ledger.log.policy import Log, consortium_policy
from ledger.receipt import Receipt
from ledger.schema import Flags
from ledger.signing import new_key
from ledger.verdicts import Reason, accepted_entry
from tests.support.attacks import ALFA, BRAVO, Full, high_s, merge, post_lying
from tests.support.checker import check_program, stated_by_program, stated_by_verify
from tests.support.consortium import SmallConsortium
from tests.support.evidence import BANKS, Consortium, account

PROGRAM = check_program()
CHARLIE = BANKS[2]
MOMENT = 1_790_000_000


def refused(data: bytes, trust: Trust, match: str | None = None) -> None:
    """Both programs refuse."""
    with pytest.raises(VerificationError, match=match):
        verify(data, trust)
    with pytest.raises(PROGRAM.RefusedError):
        PROGRAM.check(data, PROGRAM.read_trust(trust.to_bytes()))


def believed(data: bytes, trust: Trust) -> str:
    """Both programs state the same; return the bank that posted."""
    proven = verify(data, trust)
    told = PROGRAM.check(data, PROGRAM.read_trust(trust.to_bytes()))
    assert stated_by_verify(proven) == stated_by_program(told)
    return proven.agent


def log_of(
    consortium: Consortium, log: str, entries: list[bytes], *, cosigners: tuple[str, ...] = ()
) -> list[str]:
    """Sign a log with the desk's own key; return the proof of each entry."""
    note = consortium.note(log, cosigners=cosigners, entries=entries)
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    paths = merkle.inclusion_paths(leaves, range(len(leaves)))
    return [Proof(n, tuple(path), note).to_text() for n, path in enumerate(paths)]


def forged(consortium: Consortium, made: Receipt, *, cosigners: tuple[str, ...] = ()) -> Receipt:
    """Put a receipt under logs of size 1 that the desk signs itself."""
    entry = batch_entry(made.header, made.signature, made.block, made.block_time)
    (ledger,) = log_of(consortium, "ledger", [entry], cosigners=cosigners)
    verdict = accepted_entry(0, made.header.hash)
    (verdicts,) = log_of(consortium, "verdicts", [verdict], cosigners=cosigners)
    return replace(made, ledger_proof=ledger, verdict_proof=verdicts)


def with_another_row(made: Receipt) -> Receipt:
    """Change the row, and make the header's root that of the changed row alone."""
    rows = rows_from_bytes(made.row).copy()
    rows["amount_band"] += 1
    row = rows.tobytes()
    header = replace(made.header, row_count=1, rows_root=merkle.root([merkle.leaf_hash(row)]))
    return replace(made, row=row, index=0, rows_path=(), header=header)


@pytest.fixture(scope="module")
def town() -> Consortium:
    """Three banks, honest rows; two of three witnesses must cosign."""
    made = Consortium()
    for bank in (ALFA, BRAVO, CHARLIE):
        other = BRAVO if bank == ALFA else ALFA
        made.post(bank, [Full(n, debtor=bank, creditor=other, changed=_NOBODY) for n in range(1, 8)])
    return made


@pytest.fixture
def alone() -> Consortium:
    """A consortium without witnesses: its desk may sign what it likes."""
    made = Consortium(required=0)
    made.post(CHARLIE, [Full(n, debtor=CHARLIE, creditor=ALFA, changed=_NOBODY) for n in range(1, 4)])
    return made


_NOBODY = {"party_id": None, "on_behalf_of": None}


def test_honest_receipts_are_believed(town: Consortium, alone: Consortium) -> None:
    for posted in town.batches:
        assert believed(town.receipt(posted, 3).to_bytes(), town.trust) == posted.bank
    assert believed(alone.receipt(alone.batches[0], 1).to_bytes(), alone.trust) == CHARLIE


# the desk alone: it signs both logs, and there is no witness to convince


def test_the_desk_alone_makes_a_batch_of_another_bank(alone: Consortium) -> None:
    """The desk writes a row, a header with a member's account, and logs of size 1 that it signs itself.

    It would have gained a receipt "posted by CHARUS33" for a row that this bank never saw.
    """
    honest = alone.receipt(alone.batches[0], 1)
    assert believed(forged(alone, honest).to_bytes(), alone.trust) == CHARLIE  # the desk's logs are believed
    row = with_another_row(honest)
    desk = new_key()
    for signature in (
        honest.signature,  # of the batch that the bank did post
        row.header.sign(alone.deployment.genesis, desk),
        bytes(64) + b"\x1b",
        b"",
    ):
        refused(_forged_with(alone, row, signature), alone.trust, "signature is not valid|not signed by")


def _forged_with(consortium: Consortium, made: Receipt, signature: bytes) -> bytes:
    """Forge the logs around a signature of any length."""
    if len(signature) == 65:
        return forged(consortium, replace(made, signature=signature)).to_bytes()
    return replace(forged(consortium, made), signature=signature).to_bytes()


def test_the_desk_invents_a_bank(alone: Consortium) -> None:
    """The desk posts with an account of its own: the receipt would have named a bank that does not exist."""
    key = new_key()
    row = with_another_row(alone.receipt(alone.batches[0], 1))
    header = replace(row.header, member=account(key))
    made = replace(row, header=header, signature=header.sign(alone.deployment.genesis, key))
    refused(forged(alone, made).to_bytes(), alone.trust, "not a member in the trust file")


def test_the_real_desk_forges_with_its_real_keys(consortium: SmallConsortium) -> None:
    """The desk of a deployed consortium uses the keys of its own state folder."""
    honest = consortium.receipt(CHARLIE, 1)
    trust, keys = consortium.trust, consortium.desk_keys
    assert believed(honest.to_bytes(), trust) == CHARLIE
    row = with_another_row(honest)

    def proof(origin: str, private: bytes, entry: bytes) -> str:
        head = Checkpoint(origin, 1, merkle.root([merkle.leaf_hash(entry)]))
        return Proof(0, (), sign_checkpoint(head, origin, private)).to_text()

    for made in (
        honest,
        row,
        replace(row, signature=row.header.sign(trust.deployment.genesis, keys.account)),
    ):
        entry = batch_entry(made.header, made.signature, made.block, made.block_time)
        accepted = accepted_entry(0, made.header.hash)
        ledger = proof(trust.deployment.ledger_origin, keys.ledger, entry)
        verdicts = proof(trust.deployment.verdict_origin, keys.verdicts, accepted)
        data = replace(made, ledger_proof=ledger, verdict_proof=verdicts).to_bytes()
        if made is honest:
            assert believed(data, trust) == CHARLIE  # logs of size 1 are the desk's word; the author is not
        else:
            refused(data, trust, "not signed by the account that posted it")


# batches that do not count


@pytest.mark.parametrize("reason", list(Reason))
def test_a_batch_that_was_kept_apart(reason: Reason) -> None:
    """A bank shows a row of a batch that nobody else could use, as if it were part of the ledger."""
    made = Consortium()
    posted = made.post(ALFA, [Full(1, changed=_NOBODY)], reason=reason)
    made.post(BRAVO, [Full(1, changed=_NOBODY)])
    refused(made.receipt(posted, 0).to_bytes(), made.trust, "another root")


def test_a_padding_row(alone: Consortium) -> None:
    """A bank shows padding as a payment: it was never matched, and nobody could contradict it."""
    payment = Full(1, debtor=CHARLIE, creditor=ALFA, changed=_NOBODY)
    posted = post_lying(alone, payment, {}, bank=CHARLIE, columns={"flags": int(Flags.DECOY)})
    refused(alone.receipt(posted, 0).to_bytes(), alone.trust, "padding")


def test_a_row_of_another_version(alone: Consortium) -> None:
    """A bank posts a row whose version gives the same bytes another meaning."""
    payment = Full(1, debtor=CHARLIE, creditor=ALFA, changed=_NOBODY)
    posted = post_lying(alone, payment, {}, bank=CHARLIE, columns={"version": 1})
    refused(alone.receipt(posted, 0).to_bytes(), alone.trust, "row version")


# parts of another proof


def test_the_author_signed_another_batch(town: Consortium) -> None:
    """A bank's signature over one batch is put on another: its row would have another content."""
    mine, other = town.receipt(town.batches[0], 1), town.receipt(town.batches[1], 1)
    refused(replace(mine, signature=other.signature).to_bytes(), town.trust, "not signed by")
    refused(replace(mine, header=other.header).to_bytes(), town.trust, "not signed by|another root")


def test_the_twin_of_the_authors_signature(alone: Consortium) -> None:
    """Anyone makes n - s of a signature; with it the batch would have had two entries in the ledger log."""
    honest = alone.receipt(alone.batches[0], 1)
    for signature in (high_s(honest.signature), honest.signature[:64] + bytes([honest.signature[64] - 27])):
        made = replace(honest, signature=signature)
        refused(forged(alone, made).to_bytes(), alone.trust, "canonical form")


def test_proofs_are_swapped_or_of_another_batch(town: Consortium) -> None:
    """Somebody mixes the proofs of two receipts; a batch would have been "accepted" by another's verdict."""
    mine, other = town.receipt(town.batches[0], 1), town.receipt(town.batches[1], 1)
    for mixed in (
        replace(mine, ledger_proof=mine.verdict_proof, verdict_proof=mine.ledger_proof),
        replace(mine, ledger_proof=mine.verdict_proof),
        replace(mine, verdict_proof=mine.ledger_proof),
        replace(mine, ledger_proof=other.ledger_proof),
        replace(mine, verdict_proof=other.verdict_proof),
        replace(mine, row=other.row),
        replace(mine, rows_path=other.rows_path[::-1]),
        replace(mine, index=mine.index + 1),
        replace(mine, rows_path=mine.rows_path[:-1]),
        replace(mine, rows_path=(*mine.rows_path, bytes(32))),
    ):
        refused(mixed.to_bytes(), town.trust)


def test_the_verdict_is_on_another_place_of_the_ledger(alone: Consortium) -> None:
    """The desk accepts the batch at an index where the ledger log has another batch.

    A verdict on a batch that was posted twice would have counted for either.
    """
    honest = alone.receipt(alone.batches[0], 1)
    for index in (1, 7, 2**40):
        (verdicts,) = log_of(alone, "verdicts", [accepted_entry(index, honest.header.hash)])
        refused(replace(honest, verdict_proof=verdicts).to_bytes(), alone.trust, "another root")


def test_another_index_in_a_proof(town: Consortium) -> None:
    """The index of an entry is part of what its path proves: another one moves the batch in time."""
    honest = town.receipt(town.batches[0], 1)
    for text in (honest.ledger_proof, honest.verdict_proof):
        proof = Proof.parse(text)
        for index in {0, 1, 2, 3, 10**9} - {proof.index}:
            changed = replace(proof, index=index).to_text()
            field = "ledger_proof" if text == honest.ledger_proof else "verdict_proof"
            refused(replace(honest, **{field: changed}).to_bytes(), town.trust)


@pytest.mark.parametrize("change", [{"block": 1}, {"block_time": 1}, {"block": 2**53 - 1}])
def test_another_block_or_time(town: Consortium, change: dict[str, int]) -> None:
    """A bank says that it posted in time, when it was late."""
    honest = town.receipt(town.batches[0], 1)
    refused(replace(honest, **change).to_bytes(), town.trust, "another root")


# another place


def test_the_genesis_hash_of_the_trust_file(town: Consortium) -> None:
    """An operator who starts the chain again gives out a trust file with another first block.

    Everything would have verified against a chain that has none of it.
    """
    honest = town.receipt(town.batches[0], 1).to_bytes()
    deployment = replace(town.deployment, genesis_hash="ab" * 32)
    other = Consortium(genesis=b"\xab" * 32, keys=town.keys)
    with pytest.raises(VerificationError):
        replace(town.trust, deployment=deployment).check()
    refused(honest, other.trust, "not signed by")


@pytest.mark.parametrize("change", [{"chain_id": 1}, {"contract": bytes(20)}, {"member": bytes(20)}])
def test_another_chain_or_consortium(alone: Consortium, change: dict[str, Any]) -> None:
    """The same keys are used on another chain or for another contract; the row would have counted here."""
    honest = alone.receipt(alone.batches[0], 1)
    header = replace(honest.header, **change)
    signature = header.sign(alone.deployment.genesis, alone.keys[CHARLIE].account)
    made = replace(honest, header=header, signature=signature)
    refused(forged(alone, made).to_bytes(), alone.trust, "wrong chain id|wrong contract|not a member")


def test_a_receipt_of_a_neighbour(town: Consortium) -> None:
    """Two consortia of the same banks and keys, one chain: nothing of one counts in the other."""
    neighbour = Consortium(genesis=b"\x0a" * 32, keys=town.keys)
    neighbour.post(ALFA, [Full(1, changed=_NOBODY)])
    data = neighbour.receipt(neighbour.batches[0], 0).to_bytes()
    assert believed(data, neighbour.trust) == ALFA
    refused(data, town.trust)
    refused(town.receipt(town.batches[0], 0).to_bytes(), neighbour.trust)


def test_one_desk_of_two_consortia_does_not_mix_them_up(town: Consortium) -> None:
    """One desk signs both consortia's logs with one key; its origins name the chain and the contract."""
    honest = town.receipt(town.batches[0], 0)
    origin = "counterfoil/20261/" + "00" * 32 + "/" + "00" * 20 + "/ledger"
    proof = Proof.parse(honest.ledger_proof)
    head = Note.parse(proof.checkpoint).body.split("\n")
    note = sign_checkpoint(Checkpoint(origin, int(head[1]), _root(proof)), origin, town.ledger_key)
    changed = replace(proof, checkpoint=note).to_text()
    refused(replace(honest, ledger_proof=changed).to_bytes(), town.trust, "belongs to another log")


def _root(proof: Proof) -> bytes:
    return b64decode(Note.parse(proof.checkpoint).body.split("\n")[2])


# exact types

_PLACES = [
    ("header", "version"), ("header", "suite"), ("index",), ("block",), ("block_time",), ("header", "epoch"),
    ("header", "row_count"), ("header", "sequence"), ("header", "chain_id"),
]  # fmt: skip


@pytest.mark.parametrize("path", _PLACES, ids=".".join)
@pytest.mark.parametrize("form", ["true", "1.0", "string", "null", "negative", "list"])
def test_json_of_another_type(alone: Consortium, path: tuple[str, ...], form: str) -> None:
    """Somebody writes `true` where 1 belongs: one proof would have had several byte strings."""
    value = canonical.loads(alone.receipt(alone.batches[0], 1).to_bytes())
    found: Any = value
    for step in path:
        found = found[step]
    wrong = {"true": True, "string": str(found), "null": None, "negative": -1, "list": [found]}
    if form == "1.0":
        text = canonical.dumps(value).decode()
        data = text.replace(f'"{path[-1]}":{found}', f'"{path[-1]}":{found}.0').encode()
        assert data != text.encode()
    else:
        data = canonical.dumps(merge(value, path, wrong[form]))
    refused(data, alone.trust, "malformed|canonical")


@pytest.mark.parametrize("version", ["receipt/1", "receipt/3", "disclosure/1", "trust/2"])
def test_another_format(town: Consortium, version: str) -> None:
    """A proof of version 1, which did not prove who posted, is passed off as one of version 2."""
    value = canonical.loads(town.receipt(town.batches[0], 1).to_bytes())
    refused(
        canonical.dumps(value | {"format": f"counterfoil/{version}"}), town.trust, "earlier version|neither"
    )


# witnesses


def test_fewer_witnesses_than_the_quorum(town: Consortium) -> None:
    """The desk shows one auditor a log that only one witness, whom it controls, has cosigned."""
    honest = town.receipt(town.batches[0], 1)
    for cosigners in ((), (ALFA,)):
        refused(forged(_same_desk(town), honest, cosigners=cosigners).to_bytes(), town.trust, "quorum")
    enough = forged(_same_desk(town), honest, cosigners=(ALFA, CHARLIE))
    assert believed(enough.to_bytes(), town.trust) == ALFA


def _same_desk(town: Consortium) -> Consortium:
    """Return the desk's own tools: its log keys, and no entry and no checkpoint yet."""
    made = Consortium(genesis=town.genesis, keys=town.keys)
    made.ledger_key, made.verdict_key = town.ledger_key, town.verdict_key
    return made


def test_cosignatures_that_do_not_count(town: Consortium) -> None:
    """The desk fills the quorum: with an unknown witness, with one witness twice, with a key of its own
    under a witness's name, with a cosignature of another checkpoint, and with none but noise.
    """
    honest = town.receipt(town.batches[0], 1)
    stranger, _ = generate_signing_key()
    named = town.deployment.witness_name
    made = _same_desk(town)
    one = forged(made, honest, cosigners=(ALFA,))
    for proofs in (
        lambda note: note.with_lines(cosign(note, named("ECHOITMM"), stranger, MOMENT)),
        lambda note: note.with_lines(cosign(note, named(BRAVO), stranger, MOMENT)),
        lambda note: note.with_lines(cosign(note, named(ALFA), town.keys[ALFA].witness, MOMENT)),
        lambda note: note.with_lines(replace(note.signatures[-1], name=named(BRAVO))),
        lambda note: note.with_lines(_of_another_note(town, BRAVO)),
    ):
        text = _renoted(one.ledger_proof, proofs)
        refused(
            replace(one, ledger_proof=text).to_bytes(), town.trust, "quorum|two signatures|does not verify"
        )


def _of_another_note(town: Consortium, bank: str) -> Any:
    other = Note.parse(
        sign_checkpoint(Checkpoint(town.deployment.ledger_origin, 9, bytes(32)), "x", bytes(range(32)))
    )
    return cosign(other, town.deployment.witness_name(bank), town.keys[bank].witness, MOMENT)


def _renoted(text: str, change: Any) -> str:
    proof = Proof.parse(text)
    return replace(proof, checkpoint=change(Note.parse(proof.checkpoint)).text).to_text()


def test_lines_of_unknown_keys_are_ignored_and_weaken_nothing(town: Consortium) -> None:
    """C2SP wants that strangers' lines are ignored: the statement stays the same."""
    honest = town.receipt(town.batches[0], 1)
    stranger, _ = generate_signing_key()
    text = _renoted(
        honest.ledger_proof, lambda note: note.with_lines(cosign(note, "example.org/w", stranger, MOMENT))
    )
    data = replace(honest, ledger_proof=text).to_bytes()
    assert stated_by_verify(verify(data, town.trust)) == stated_by_verify(
        verify(honest.to_bytes(), town.trust)
    )
    assert believed(data, town.trust) == ALFA


def test_an_old_checkpoint_does_not_cover_what_came_after(town: Consortium) -> None:
    """The desk puts a new batch under a checkpoint that the witnesses cosigned before it was posted."""
    made = _same_desk(town)
    made.ledger_entries, made.verdict_entries = list(town.ledger_entries), list(town.verdict_entries)
    old = {log: made.note(log) for log in ("ledger", "verdicts")}
    posted = made.post(BRAVO, [Full(9, debtor=BRAVO, creditor=ALFA, changed=_NOBODY)])
    fresh = made.receipt(posted, 0)
    for field, log in (("ledger_proof", "ledger"), ("verdict_proof", "verdicts")):
        proof = Proof.parse(getattr(fresh, field))
        for path in (proof.path, proof.path[:-1], proof.path[1:]):
            text = replace(proof, checkpoint=old[log], path=path).to_text()
            refused(replace(fresh, **{field: text}).to_bytes(), town.trust)
    assert believed(fresh.to_bytes(), town.trust) == BRAVO


def test_a_log_key_that_signs_as_another_log(town: Consortium) -> None:
    """The desk signs the ledger log with the verdict log's key: of that log, witnesses check only growth."""
    honest = town.receipt(town.batches[0], 1)
    head = Note.parse(Proof.parse(honest.ledger_proof).checkpoint)
    origin = town.deployment.ledger_origin
    lines = head.body.split("\n")
    forged_note = sign_checkpoint(
        Checkpoint(origin, int(lines[1]), _root(Proof.parse(honest.ledger_proof))), origin, town.verdict_key
    )
    text = _renoted(honest.ledger_proof, lambda _: Note.parse(forged_note))
    refused(replace(honest, ledger_proof=text).to_bytes(), town.trust, "not signed by the key of its log")


def test_a_quorum_of_keys_that_cannot_be_verified() -> None:
    """The policy names ML-DSA witnesses: a line that nobody can verify does not count."""
    made = Consortium(required=0)
    posted = made.post(ALFA, [Full(1, changed=_NOBODY)])
    name = made.deployment.witness_name("QUANTUM")
    key = VerifierKey(name, KeyType.ML_DSA_44, bytes(range(256)) * 5 + bytes(32))
    text = made.policy.text.replace("quorum none\n", f"witness QUANTUM {key.text}\nquorum QUANTUM\n")
    trust = replace(made.trust, policy=Policy.parse(text))
    honest = made.receipt(posted, 0)
    refused(honest.to_bytes(), trust, "quorum")
    line = SignatureLine(name, key.key_id, bytes(8 + 2420))
    for field in ("ledger_proof", "verdict_proof"):
        honest = replace(
            honest, **{field: _renoted(getattr(honest, field), lambda note: note.with_lines(line))}
        )
    refused(honest.to_bytes(), trust, "does not verify")


def test_a_policy_of_the_desks_own_keys_is_another_trust_file(town: Consortium) -> None:
    """Whoever takes the trust file from the desk believes the desk: the fingerprint is another."""
    _, public = generate_signing_key()
    logs = [
        Log(VerifierKey(origin, KeyType.ED25519, key))
        for origin, key in (
            (town.deployment.ledger_origin, public),
            (town.deployment.verdict_origin, town.verdict_public),
        )
    ]
    weaker = replace(town.trust, policy=consortium_policy(logs))
    weaker.check()
    assert weaker.fingerprint != town.trust.fingerprint
    refused(town.receipt(town.batches[0], 1).to_bytes(), weaker, "not signed by the key of its log")
