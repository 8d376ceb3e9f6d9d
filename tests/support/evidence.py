"""A consortium in memory, without a chain: real keys, both logs, witnesses, receipts, disclosures, bundles.

It makes what an auditor gets, with the same code that makes it in a consortium, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256

from ledger.audit.trust import Trust, TrustedMember
from ledger.batch import GENESIS_HASH, BatchHeader
from ledger.bundle import AnchoredDecision, AnchoredFlag, Bundle, CaseProof
from ledger.caselog import CaseKind
from ledger.commitment import merkle
from ledger.commitment.record import open_fields
from ledger.decision import Decision
from ledger.deployment import CONTRACTS, Deployment
from ledger.disclosure import DisclosedField, Disclosure, PseudonymOpening, TokenOpening
from ledger.encoding import oprf
from ledger.encoding.evaluation import EpochKey, Evaluation
from ledger.encoding.policy import Policy
from ledger.encoding.rows import EncodingInput, RowEncoder
from ledger.encoding.token import pair_key, token_opening
from ledger.entries import CaseAnchor, batch_entry, case_entry
from ledger.flag import Entity, Flag, FlagSource, Position, RowRef
from ledger.log import Checkpoint, Note, Proof, consortium_policy, generate_signing_key, sign_checkpoint
from ledger.log import Policy as LogPolicy
from ledger.log.cosignature import cosign, witness_key
from ledger.log.notes import KeyType, VerifierKey
from ledger.log.policy import Log, Witness
from ledger.member.keys import MemberKeys
from ledger.receipt import Receipt
from ledger.schema import FIELDS, ROW_SIZE, Side
from ledger.signing import address_of, new_key
from ledger.typed_data import ADMISSION, sign_typed
from ledger.verdicts import Reason, accepted_entry, rejected_entry
from tests.support.pseudonyms import SECRET, proven

__all__ = ["BANKS", "DESK", "OFFICER", "Consortium", "Payment", "Posted"]

BANKS = ("ALFADEFF", "BRAVFRPP", "CHARUS33")
DESK, OFFICER = new_key(), new_key()
EPOCH = 1
POLICY = Policy(cuts={"EUR": [1_000_001]})
_START = int(datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp())


def account(key: bytes) -> bytes:
    """Return the 20 bytes of a key's address."""
    return bytes.fromhex(address_of(key)[2:])


@dataclass(frozen=True)
class Payment:
    """A payment as both of its banks know it."""

    number: int
    debtor: str = BANKS[0]
    creditor: str = BANKS[1]
    amount: int = 950_000
    purpose: str | None = "RENT"
    uetr: bool = True

    @property
    def minute(self) -> int:
        """Unix time."""
        return _START + 60 * self.number

    def values(self, bank: str) -> dict[str, str | None]:
        """Return the exact fields that a bank holds."""
        empty: dict[str, str | None] = dict.fromkeys(FIELDS)
        return empty | {
            "uetr": f"{self.number:08x}-0000-4000-8000-{self.number:012x}" if self.uetr else None,
            "transaction_id": f"{bank}-{self.number}",
            "timestamp": datetime.fromtimestamp(self.minute, UTC).isoformat().replace("+00:00", "Z"),
            "debtor_agent": self.debtor,
            "debtor_account": f"acct:{self.debtor}:{self.number % 40}",
            "creditor_agent": self.creditor,
            "creditor_account": f"acct:{self.creditor}:{self.number % 30}",
            "amount": f"{self.amount // 100}.{self.amount % 100:02d}",
            "currency": "EUR",
            "channel": "wire",
            "purpose": self.purpose,
        }


@dataclass
class Posted:
    """A posted batch: what its bank holds, and where it is in the ledger log."""

    bank: str
    code: int
    header: BatchHeader
    signature: bytes
    rows: bytes
    values: list[dict[str, str | None]]
    seeds: list[bytes]
    block: int
    block_time: int
    ledger_index: int

    @cached_property
    def leaves(self) -> list[bytes]:
        """Leaf hashes of the rows."""
        return [merkle.leaf_hash(self.rows[i : i + ROW_SIZE]) for i in range(0, len(self.rows), ROW_SIZE)]

    def ref(self, index: int) -> RowRef:
        """Return the place of a row."""
        return RowRef(self.code, self.header.sequence, index)


@dataclass
class Consortium:
    """Three banks, a desk, an officer and witnesses.

    Parameters
    ----------
    required : int
        How many of the banks' witnesses must have cosigned a checkpoint.
    genesis : bytes
        Hash of the first block of its chain.
    """

    required: int = 2
    genesis: bytes = b"\x09" * 32
    keys: dict[str, MemberKeys] = field(default_factory=lambda: {b: MemberKeys.generate(b) for b in BANKS})
    ledger_entries: list[bytes] = field(default_factory=list)
    verdict_entries: list[bytes] = field(default_factory=list)
    batches: list[Posted] = field(default_factory=list)
    block: int = 10
    _notes: dict[tuple[str, bytes], str] = field(default_factory=dict)
    _pseudonyms: dict[str, tuple[Evaluation, int, bytes, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger_key, self.ledger_public = generate_signing_key()
        self.verdict_key, self.verdict_public = generate_signing_key()
        self._case_entries = 0
        contracts = {name: f"{n:040x}" for n, name in enumerate(CONTRACTS, 1)}
        self.deployment = Deployment(20_261, self.genesis.hex(), 1, contracts)

    def code(self, bank: str) -> int:
        """Return a bank's code."""
        return BANKS.index(bank) + 1

    def address(self, bank: str) -> bytes:
        """Return a bank's account, 20 bytes."""
        return account(self.keys[bank].account)

    @cached_property
    def policy(self) -> LogPolicy:
        """The policy of the trust file."""
        deployment = self.deployment
        logs = [
            Log(VerifierKey(deployment.ledger_origin, KeyType.ED25519, self.ledger_public)),
            Log(VerifierKey(deployment.verdict_origin, KeyType.ED25519, self.verdict_public)),
        ]
        witnesses = [
            Witness(bank, witness_key(deployment.witness_name(bank), keys.witness_public))
            for bank, keys in self.keys.items()
        ]
        return consortium_policy(logs, witnesses, self.required)

    @cached_property
    def trust(self) -> Trust:
        """The trust file."""
        domain = self.deployment.domain("Consortium")
        members = []
        for bank, keys in self.keys.items():
            public = {
                "x25519_key": keys.x25519_public,
                "hpke_key": keys.hpke_public,
                "witness_key": keys.witness_public,
            }
            signed = {
                "account": self.address(bank),
                "agent": bank,
                "x25519Key": public["x25519_key"],
                "hpkeKey": public["hpke_key"],
                "witnessKey": public["witness_key"],
            }
            signature = sign_typed(domain, ADMISSION, signed, keys.account)
            members.append(
                TrustedMember(self.code(bank), bank, self.address(bank), **public, signature=signature)
            )
        epochs = (EpochKey(EPOCH, 0, oprf.public_key(SECRET)),)
        trust = Trust(self.deployment, self.policy, tuple(members), epochs)
        trust.check()
        return trust

    # -- posting ----------------------------------------------------------------------------------------

    def pseudonym(self, identifiers: Iterable[str]) -> None:
        """Ask the key holder for the pseudonyms of identifiers."""
        new = [name for name in dict.fromkeys(identifiers) if name not in self._pseudonyms]
        for batch in proven(new, epoch=EPOCH):
            for element, made in enumerate(batch.pseudonyms):
                self._pseudonyms[made.identifier] = (batch.evaluation, element, made.blind, made.value)

    def post(self, bank: str, payments: Sequence[Payment], *, reason: Reason | None = None) -> Posted:
        """Post a bank's halves of payments as one batch; it is accepted, or kept apart for a reason."""
        values = [payment.values(bank) for payment in payments]
        self.pseudonym(
            held for row in values for name in ("debtor_account", "creditor_account") if (held := row[name])
        )
        seeds = [sha256(f"{bank} {payment.number}".encode()).digest() for payment in payments]
        records = [
            EncodingInput(
                tuple(row[name] for name in FIELDS),
                Side.ON_US
                if payment.debtor == payment.creditor
                else Side.DEBIT
                if payment.debtor == bank
                else Side.CREDIT,
                payment.minute * 10**6,
                payment.amount,
                None,
                seed,
            )
            for payment, row, seed in zip(payments, values, seeds, strict=True)
        ]
        encoder = RowEncoder(
            agent=bank,
            codes={name: self.code(name) for name in BANKS},
            policy=POLICY,
            epoch=EPOCH,
            pseudonyms={name: held[3] for name, held in self._pseudonyms.items()},
            x25519_private=self.keys[bank].x25519,
            x25519_keys={name: keys.x25519_public for name, keys in self.keys.items()},
        )
        packed = encoder.pack(records).tobytes()
        before = [batch for batch in self.batches if batch.bank == bank]
        leaves = [merkle.leaf_hash(packed[i : i + ROW_SIZE]) for i in range(0, len(packed), ROW_SIZE)]
        header = BatchHeader(
            chain_id=self.deployment.chain_id,
            contract=self.deployment.address("BatchLedger"),
            member=self.address(bank),
            sequence=len(before),
            previous_hash=before[-1].header.hash if before else GENESIS_HASH,
            epoch=EPOCH,
            policy_hash=POLICY.hash,
            row_count=len(records),
            rows_root=merkle.root(leaves),
        )
        signature = header.sign(self.deployment.genesis, self.keys[bank].account)
        self.block += 1
        index, time = len(self.ledger_entries), _START + 86_400 + self.block
        self.ledger_entries.append(batch_entry(header, signature, self.block, time))
        verdict = (
            accepted_entry(index, header.hash)
            if reason is None
            else rejected_entry(index, header.hash, reason)
        )
        self.verdict_entries.append(verdict)
        posted = Posted(
            bank, self.code(bank), header, signature, packed, values, seeds, self.block, time, index
        )
        self.batches.append(posted)
        return posted

    def anchor(
        self, kind: CaseKind, case_id: bytes, content_hash: bytes, author: bytes, payload: bytes = b""
    ) -> CaseAnchor:
        """Put an entry on the case log."""
        self.block += 1
        index = self._case_entries
        self._case_entries += 1
        head = sha256(f"head {index}".encode()).digest()
        made = CaseAnchor(
            index, kind, case_id, content_hash, account(author), sha256(payload).digest(), head, self.block,
            _START + 86_400 + self.block,
        )  # fmt: skip
        self.ledger_entries.append(case_entry(made))
        return made

    # -- logs -------------------------------------------------------------------------------------------

    def note(
        self, log: str, *, cosigners: Sequence[str] = BANKS[:2], entries: Sequence[bytes] | None = None
    ) -> str:
        """Return the cosigned checkpoint of the ledger log or of the verdict log."""
        ledger = log == "ledger"
        origin = self.deployment.ledger_origin if ledger else self.deployment.verdict_origin
        held = (self.ledger_entries if ledger else self.verdict_entries) if entries is None else entries
        root = merkle.root([merkle.leaf_hash(entry) for entry in held])
        if (log, root) not in self._notes:
            key = self.ledger_key if ledger else self.verdict_key
            note = Note.parse(sign_checkpoint(Checkpoint(origin, len(held), root), origin, key))
            for bank in cosigners:
                name = self.deployment.witness_name(bank)
                note = note.with_lines(cosign(note, name, self.keys[bank].witness, _START + 2 * 86_400))
            self._notes[log, root] = note.text
        return self._notes[log, root]

    def proof(self, log: str, index: int) -> str:
        """Return the proof that an entry is in a log (tlog-proof)."""
        entries = self.ledger_entries if log == "ledger" else self.verdict_entries
        path = merkle.inclusion_path([merkle.leaf_hash(entry) for entry in entries], index)
        return Proof(index, tuple(path), self.note(log)).to_text()

    # -- what an auditor gets ---------------------------------------------------------------------------

    def receipt(self, posted: Posted, index: int) -> Receipt:
        """Return the receipt of a row."""
        verdict = next(n for n, entry in enumerate(self.verdict_entries) if posted.header.hash in entry)
        return Receipt(
            row=posted.rows[index * ROW_SIZE : (index + 1) * ROW_SIZE],
            index=index,
            rows_path=tuple(merkle.inclusion_path(posted.leaves, index)),
            header=posted.header,
            signature=posted.signature,
            block=posted.block,
            block_time=posted.block_time,
            ledger_proof=self.proof("ledger", posted.ledger_index),
            verdict_proof=self.proof("verdicts", verdict),
        )

    def disclosure(
        self,
        posted: Posted,
        index: int,
        names: Sequence[str] = ("amount", "debtor_account", "purpose"),
        *,
        recipient: str = "FIU",
        purpose: str = "request 7",
        receipt: Receipt | None = None,
        change: Callable[[Disclosure], Disclosure] = lambda unsigned: unsigned,
    ) -> Disclosure:
        """Return a signed disclosure of fields of a row; `change` is applied before it is signed."""
        values = posted.values[index]
        opened = open_fields([(name, values[name]) for name in FIELDS], posted.seeds[index], list(names))
        evaluations: list[Evaluation] = []
        fields = []
        for one in opened:
            proof: PseudonymOpening | TokenOpening | None = None
            if one.name in ("debtor_account", "creditor_account") and one.value is not None:
                evaluation, element, blind, _ = self._pseudonyms[one.value]
                if evaluation not in evaluations:
                    evaluations.append(evaluation)
                proof = PseudonymOpening(evaluations.index(evaluation), element, blind)
            elif one.name == "uetr" and one.value is not None:
                other = values["creditor_agent" if values["debtor_agent"] == posted.bank else "debtor_agent"]
                key = pair_key(self.keys[posted.bank].x25519, self.keys[other or ""].x25519_public, EPOCH)
                proof = TokenOpening(token_opening(key, one.value, ("", "", "", 0)))
            fields.append(DisclosedField(one, proof))
        unsigned = Disclosure(
            receipt or self.receipt(posted, index),
            POLICY.document.decode(),
            tuple(fields),
            tuple(evaluations),
            purpose,
            recipient,
        )
        return change(unsigned).sign(self.deployment.domain("BatchLedger"), self.keys[posted.bank].account)

    def flag(self, rows: Sequence[RowRef], *, title: str = "structuring", explanation: str = "Many.") -> Flag:
        """Return a flag with rows as its evidence."""
        contract = "0x" + self.deployment.address("BatchLedger").hex()
        return Flag(
            source=FlagSource("detector", "structuring", "1"),
            title=title,
            position=Position(self.deployment.chain_id, contract, self.block, len(self.batches)),
            entities=(Entity("ab" * 16, 1),),
            rows=tuple(rows),
            window=(_START, _START + 86_400),
            score=None,
            certainty="possible",
            severity="high",
            explanation=explanation,
        )

    def anchored_flag(
        self, flag: Flag, *, seed: bytes = b"\x05" * 32
    ) -> tuple[bytes, dict[str, object], CaseAnchor, int]:
        """Put a flag on the case log: identifier, view, entry, and the entry's index in the log."""
        flag_id = flag.flag_id(seed)
        anchor = self.anchor(CaseKind.FLAG, flag_id, flag_id, DESK, b"flag")
        return flag_id, flag.view(seed), anchor, len(self.ledger_entries) - 1

    def decide(
        self, flag_id: bytes, verdict: str = "suspicious", reason: str = "It repeats."
    ) -> tuple[Decision, CaseAnchor, int]:
        """Put a decision on the case log."""
        decision = Decision.make(flag_id, verdict, reason, _START + 3 * 86_400)
        content = decision.content_hash(account(OFFICER).hex())
        anchor = self.anchor(CaseKind.DECISION, flag_id, content, OFFICER, b"decision")
        return decision, anchor, len(self.ledger_entries) - 1

    def bundle(
        self,
        flagged: tuple[bytes, dict[str, object], CaseAnchor, int] | None,
        rows: Sequence[tuple[Posted, int]],
        *,
        disclosures: Sequence[Disclosure] = (),
        decisions: Sequence[tuple[Decision, CaseAnchor, int]] = (),
    ) -> Bundle:
        """Return a bundle of a flag, with the receipts of rows."""
        flag = None
        if flagged is not None:
            flag_id, view, anchor, index = flagged
            flag = AnchoredFlag(flag_id, view, CaseProof(anchor, self.proof("ledger", index)))
        return Bundle(
            trust=self.trust.fingerprint,
            flag=flag,
            receipts=[self.receipt(posted, index) for posted, index in rows],
            disclosures=list(disclosures),
            decisions=[
                AnchoredDecision(decision, CaseProof(anchor, self.proof("ledger", index)))
                for decision, anchor, index in decisions
            ],
            policies=[POLICY.document.decode()] if rows or disclosures else [],
            ledger_checkpoint=self.note("ledger"),
            verdict_checkpoint=self.note("verdicts"),
        )
