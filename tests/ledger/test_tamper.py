"""Not one byte of a receipt, disclosure, sealed batch, segment or manifest; and no self-made proof."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from eth_account import Account

from ledger.audit.trust import Trust
from ledger.audit.verify import verify
from ledger.batch_errors import BatchError
from ledger.batch import GENESIS_HASH, BatchHeader
from ledger.commitment import merkle
from ledger.commitment.record import OpenedField, open_fields, record_root
from ledger.encoding.rows import ROW, rows_from_bytes
from ledger.errors import VerificationError
from ledger.door import Door, Known
from ledger.duplicates import KEYED
from ledger.gateway import LedgerEntry, PostedBatch
from ledger.log import Checkpoint, generate_signing_key, open_checkpoint, sign_checkpoint
from ledger.opening import OpenedBatch
from ledger.reader.keys import CHECKPOINT_KEY_NAME
from ledger.receipt import Disclosure, Receipt
from ledger.schema import FIELDS, Side
from ledger.segment import MANIFEST, Manifest, SegmentError, load
from tests.support.consortium import ChainProcess, SmallConsortium, founded, run_everything
from tests.support.rows import Book, row

BANK = "ALFADEFF"


def flips(data: bytes, *, masks: int, sample: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield (position, data with that byte changed): each position or a seeded sample, several masks."""
    chosen = random.Random(7)
    positions = range(len(data)) if sample is None else sorted(chosen.sample(range(len(data)), sample))
    for position in positions:
        # one bit (a space for a letter's case, a digit for its neighbour), and any other value
        for mask in {1 << chosen.randrange(8), *(chosen.randrange(1, 256) for _ in range(masks - 1))}:
            changed = bytearray(data)
            changed[position] ^= mask
            yield position, bytes(changed)


def refused(check: Callable[[bytes], object], attempts: Iterator[tuple[int, bytes]]) -> int:
    """Run a check on each attempt, which must raise a VerificationError; return how many there were."""
    count = 0
    for position, changed in attempts:
        count += 1
        try:
            check(changed)
        except VerificationError:
            continue
        pytest.fail(f"a change of byte {position} went unseen")
    return count


@pytest.fixture(scope="module")
def trust(consortium: SmallConsortium) -> Trust:
    return consortium.trust


# bytes


@pytest.mark.parametrize("index", [0, 17])
def test_any_byte_of_a_receipt(consortium: SmallConsortium, trust: Trust, index: int) -> None:
    data = consortium.receipt(BANK, index).to_bytes()
    verify(data, trust)
    assert refused(lambda changed: verify(changed, trust), flips(data, masks=2)) > 3_000


def test_any_byte_of_a_disclosure(consortium: SmallConsortium, trust: Trust) -> None:
    names = ("amount", "currency", "timestamp", "party_id", "on_behalf_of", "purpose")
    data = consortium.disclosure(BANK, names).to_bytes()
    verify(data, trust)
    assert refused(lambda changed: verify(changed, trust), flips(data, masks=1)) > 5_000


@pytest.mark.parametrize("kind", ["receipt", "disclosure"])
def test_bytes_that_are_cut_off_added_or_swapped(
    consortium: SmallConsortium, trust: Trust, kind: str
) -> None:
    made = consortium.receipt(BANK) if kind == "receipt" else consortium.disclosure(BANK)
    data = made.to_bytes()

    def attempts() -> Iterator[tuple[int, bytes]]:
        for at in random.Random(3).sample(range(len(data)), 300):
            yield at, data[:at]
            yield at, data[:at] + data[at + 1 :]
            yield at, data[:at] + b" " + data[at:]
            if data[at : at + 1] != data[at + 1 : at + 2]:
                yield at, data[:at] + data[at + 1 : at + 2] + data[at : at + 1] + data[at + 2 :]
        yield len(data), data + b"\n"

    refused(lambda changed: verify(changed, trust), attempts())


@pytest.fixture(scope="module")
def posted(consortium: SmallConsortium) -> list[PostedBatch]:
    gateway = consortium.gateway
    return list(gateway.batches(gateway.deployment.block, gateway.height()))


@pytest.fixture(scope="module")
def open_batch(consortium: SmallConsortium) -> Callable[[PostedBatch], OpenedBatch]:
    """Return what judges a member's first batch, and raises what is wrong with it."""
    gateway = consortium.gateway
    policies, keys = gateway.policies(), list(consortium.desk_keys.readers.values())
    entries = list(gateway.ledger_entries(gateway.deployment.block, gateway.height()))
    time = gateway.block_time(gateway.height())

    def judge(batch: PostedBatch) -> OpenedBatch:
        known = Known()
        for entry in entries:
            known.add(entry)
        door = Door(gateway.deployment.genesis, policies, keys, lambda _: np.zeros(0, KEYED), known)
        judged = door.read(LedgerEntry(b"\x03", batch, time))
        assert judged is not None
        verdict, outcome = judged
        if isinstance(outcome, BatchError):
            assert verdict.reason is outcome.reason
            raise outcome
        assert verdict.reason is None
        return outcome

    return judge


Judge = Callable[[PostedBatch], OpenedBatch]


def test_any_byte_of_a_sealed_batch(posted: list[PostedBatch], open_batch: Judge) -> None:
    batch = posted[0]
    assert len(open_batch(batch).rows) == batch.header.row_count

    def check(changed: bytes) -> None:
        open_batch(replace(batch, payload=changed))

    assert refused(check, flips(batch.payload, masks=1, sample=500)) == 500
    head = batch.payload[:300]
    assert refused(lambda changed: check(changed + batch.payload[300:]), flips(head, masks=2)) > 400


def test_any_byte_of_an_authors_signature(posted: list[PostedBatch], open_batch: Judge) -> None:
    batch = posted[0]
    assert refused(
        lambda changed: open_batch(replace(batch, signature=changed)), flips(batch.signature, masks=4)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1}, {"contract": b"\x01" * 20}, {"sequence": 7}, {"previous_hash": b"\x01" * 32},
        {"epoch": 2}, {"policy_hash": b"\x01" * 32}, {"row_count": 39}, {"rows_root": b"\x01" * 32},
        {"member": b"\x01" * 20},
    ],
)  # fmt: skip
@pytest.mark.parametrize("hashed", [False, True])
def test_no_field_of_a_batch_header_can_be_another(
    posted: list[PostedBatch], open_batch: Judge, change: dict[str, object], hashed: bool
) -> None:
    header = replace(posted[0].header, **change)  # type: ignore[arg-type]
    lie = replace(posted[0], header=header, batch_hash=header.hash if hashed else posted[0].batch_hash)
    with pytest.raises(BatchError):
        open_batch(lie)


def test_a_batch_opens_under_no_other_members_header(posted: list[PostedBatch], open_batch: Judge) -> None:
    mine, other = posted[0], next(p for p in posted if p.header.member != posted[0].header.member)
    open_batch(other)
    with pytest.raises(BatchError):
        open_batch(replace(other, payload=mine.payload))


def test_any_byte_of_a_mirrored_segment_and_of_the_transfers(consortium: SmallConsortium) -> None:
    mirror = consortium.home.desk.mirror
    manifest = Manifest.read(mirror)
    assert manifest.transfers is not None
    for entry in (manifest.segments[0], manifest.transfers):
        data = (mirror / entry.name).read_bytes()
        changed = mirror.parent / "changed"
        changed.mkdir(exist_ok=True)

        def check(damaged: bytes, *, place: Path = changed, entry: object = entry) -> None:
            (place / entry.name).write_bytes(damaged)  # type: ignore[attr-defined]
            load(place, entry)  # type: ignore[arg-type]

        assert load(mirror, entry).num_rows == entry.rows
        assert refused(check, flips(data, masks=1, sample=500)) == 500
        check(data)


def test_any_byte_of_the_manifest(consortium: SmallConsortium, tmp_path: Path) -> None:
    data = (consortium.home.desk.mirror / MANIFEST).read_bytes()

    def check(changed: bytes) -> None:
        (tmp_path / MANIFEST).write_bytes(changed)
        Manifest.read(tmp_path)

    check(data)
    assert refused(check, flips(data, masks=1)) == len(data)
    for cut in range(0, len(data), 7):
        with pytest.raises(SegmentError):
            check(data[:cut])


# self-made proofs


class Forger:
    """Makes a consistent record, row, batch, log and checkpoint out of nothing."""

    def __init__(self, consortium: SmallConsortium, *, member: bytes | None = None) -> None:
        self.consortium = consortium
        self.account = bytes(Account.create().key)
        own = bytes.fromhex(Account.from_key(self.account).address[2:])
        self.member = own if member is None else member
        self.checkpoint_key, self.checkpoint_public = generate_signing_key()
        values = dict.fromkeys(FIELDS) | {"amount": "5000000.00", "currency": "EUR"}
        self.fields = [(name, values[name]) for name in FIELDS]
        self.seed = bytes(range(32))

    def row(self) -> bytes:
        rows = rows_from_bytes(bytes(ROW.itemsize)).copy()
        rows["version"], rows["side"], rows["debtor_agent"], rows["currency"] = 1, Side.DEBIT, 1, 978
        rows["amount_band"] = self.consortium.policy.bands("EUR").band(500_000_000)
        rows["record_root"] = record_root(self.fields, self.seed)
        return rows.tobytes()

    def header(self) -> BatchHeader:
        deployment = self.consortium.gateway.deployment
        return BatchHeader(
            deployment.chain_id,
            deployment.address("BatchLedger"),
            self.member,
            0,
            GENESIS_HASH,
            1,
            self.consortium.policy.hash,
            1,
            merkle.root([merkle.leaf_hash(self.row())]),
        )

    def receipt(self, *, checkpoint: str | None = None) -> Receipt:
        header = self.header()
        root = merkle.root([merkle.leaf_hash(header.hash)])
        made = Checkpoint(self.consortium.gateway.deployment.origin, 1, root, 9, bytes(32))
        note = checkpoint or sign_checkpoint(made, CHECKPOINT_KEY_NAME, self.checkpoint_key)
        return Receipt(self.row(), 0, (), header, 0, (), note)

    def disclosure(self, receipt: Receipt) -> Disclosure:
        opened: tuple[OpenedField, ...] = tuple(open_fields(self.fields, self.seed, ["amount"]))
        policy = self.consortium.policy.document.decode()
        return Disclosure(receipt, policy, opened, "a story").sign(self.account)

    def trust(self) -> Trust:
        """What a victim would have to pin to believe it."""
        return Trust(
            self.consortium.gateway.deployment,
            {CHECKPOINT_KEY_NAME: self.checkpoint_public},
            {self.member.hex(): BANK},
        )


@pytest.mark.parametrize("posing", [False, True], ids=["own account", "a member's account"])
def test_a_self_made_consistent_proof_fails_against_the_trust_file(
    consortium: SmallConsortium, trust: Trust, posing: bool
) -> None:
    member = bytes.fromhex(consortium.keys[BANK].address[2:]) if posing else None
    forger = Forger(consortium, member=member)
    receipt = forger.receipt()
    assert verify(receipt.to_bytes(), forger.trust()).agent == BANK  # it is consistent in itself
    with pytest.raises(VerificationError, match="another key than the trusted key of that name"):
        verify(receipt.to_bytes(), trust)
    disclosure = forger.disclosure(receipt)
    if not posing:
        assert verify(disclosure.to_bytes(), forger.trust()).fields == {"amount": "5000000.00"}
    with pytest.raises(VerificationError):
        verify(disclosure.to_bytes(), trust)


def test_a_self_made_batch_does_not_borrow_the_real_checkpoint(
    consortium: SmallConsortium, trust: Trust
) -> None:
    real = consortium.home.desk.checkpoint.read_text("utf-8")
    open_checkpoint(real, trust.checkpoint_keys)
    for posing in (None, bytes.fromhex(consortium.keys[BANK].address[2:])):
        forged = Forger(consortium, member=posing).receipt(checkpoint=real)
        with pytest.raises(VerificationError):
            verify(forged.to_bytes(), trust)
        real_path = consortium.receipt(BANK)
        grafted = replace(forged, log_index=real_path.log_index, log_path=real_path.log_path)
        with pytest.raises(VerificationError):
            verify(grafted.to_bytes(), trust)


def test_a_checkpoint_signed_under_a_name_that_is_not_pinned_is_refused(
    consortium: SmallConsortium, trust: Trust
) -> None:
    forger = Forger(consortium)
    header = forger.header()
    note = sign_checkpoint(
        Checkpoint(trust.deployment.origin, 1, merkle.root([merkle.leaf_hash(header.hash)]), 9, bytes(32)),
        "notary",
        forger.checkpoint_key,
    )
    with pytest.raises(VerificationError, match="not trusted"):
        verify(forger.receipt(checkpoint=note).to_bytes(), trust)


def test_a_real_row_with_somebody_elses_place_is_refused(consortium: SmallConsortium, trust: Trust) -> None:
    mine, other = consortium.receipt(BANK, 0), consortium.receipt("BRAVFRPP", 3)
    for mixed in (
        replace(mine, row=other.row),
        replace(mine, index=1),
        replace(mine, rows_path=other.rows_path),
        replace(mine, header=other.header),
        replace(mine, log_index=mine.log_index + 1),
        replace(mine, log_path=other.log_path),
        replace(mine, log_path=mine.log_path[:-1]),
        replace(mine, rows_path=(*mine.rows_path, bytes(32))),
    ):
        with pytest.raises(VerificationError):
            verify(mixed.to_bytes(), trust)


def test_a_field_of_another_record_is_refused(consortium: SmallConsortium, trust: Trust) -> None:
    key = consortium.keys[BANK].account
    mine, other = consortium.disclosure(BANK, index=0), consortium.disclosure(BANK, index=1)
    for fields in (
        other.fields,
        (mine.fields[0], mine.fields[0]),
        (replace(mine.fields[0], name="purpose"),),
    ):
        with pytest.raises(VerificationError):
            verify(replace(mine, fields=fields).sign(key).to_bytes(), trust)


def test_only_the_bank_that_posted_discloses(consortium: SmallConsortium, trust: Trust) -> None:
    made = consortium.disclosure(BANK)
    with pytest.raises(VerificationError, match="not signed by the bank"):
        verify(made.sign(consortium.keys["BRAVFRPP"].account).to_bytes(), trust)
    with pytest.raises(VerificationError):
        verify(replace(made, purpose="another purpose").to_bytes(), trust)


def test_a_signature_has_one_spelling(consortium: SmallConsortium, trust: Trust) -> None:
    """ECDSA accepts (r, n - s) beside (r, s); one of the two is not a disclosure of ours (EIP-2)."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    made = consortium.disclosure(BANK)
    s = int.from_bytes(made.signature[32:64], "big")
    twin = made.signature[:32] + (order - s).to_bytes(32, "big") + bytes([55 - made.signature[64]])
    with pytest.raises(VerificationError, match="canonical form"):
        verify(replace(made, signature=twin).to_bytes(), trust)


def test_a_policy_other_than_the_batchs_is_refused(consortium: SmallConsortium, trust: Trust) -> None:
    key = consortium.keys[BANK].account
    other = replace(consortium.policy, cuts={})
    with pytest.raises(VerificationError, match="not the policy of the batch"):
        verify(
            replace(consortium.disclosure(BANK), policy=other.document.decode()).sign(key).to_bytes(), trust
        )


# another consortium


@pytest.fixture(scope="module")
def neighbour(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    """Another consortium on the same chain, whose first bank has the same name."""
    made = founded(chain, tmp_path_factory.mktemp("neighbour"), banks=[BANK])
    start = datetime.now(UTC) - timedelta(days=5)
    rows = [row(n, start, BANK, BANK, bank=BANK) for n in range(5)]
    run_everything(made, Book({BANK: rows}))
    return made


def test_a_receipt_of_another_consortium_is_refused_both_ways(
    consortium: SmallConsortium, neighbour: SmallConsortium
) -> None:
    verify(neighbour.receipt(BANK).to_bytes(), neighbour.trust)
    for data, trust in (
        (neighbour.receipt(BANK).to_bytes(), consortium.trust),
        (neighbour.disclosure(BANK).to_bytes(), consortium.trust),
        (consortium.receipt(BANK).to_bytes(), neighbour.trust),
    ):
        with pytest.raises(VerificationError):
            verify(data, trust)


def test_one_operator_of_two_consortia_does_not_mix_them_up(
    consortium: SmallConsortium, neighbour: SmallConsortium
) -> None:
    """Even where one desk signs for both: the origin names chain and contract."""
    shared = replace(consortium.trust, checkpoint_keys=neighbour.trust.checkpoint_keys)
    with pytest.raises(VerificationError, match="wrong log origin"):
        verify(neighbour.receipt(BANK).to_bytes(), shared)


def test_a_member_that_is_not_in_the_trust_file_is_refused(consortium: SmallConsortium, trust: Trust) -> None:
    members = {address: agent for address, agent in trust.members.items() if agent != BANK}
    with pytest.raises(VerificationError, match="not a member in the trust file") as caught:
        verify(consortium.receipt(BANK).to_bytes(), replace(trust, members=members))
    assert "newer trust file" in str(caught.value.next_step)
