"""One document of every format, made of fixed inputs; what writes it, what reads it, what refuses it.

Tests take them from `GOLDEN`: a new format is one entry there and one line of bytes in
`tests/ledger/test_golden_documents.py`.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import numpy as np
from eth_keyfile import keyfile

from anomaly.learning.model import Model, ModelDocument
from anomaly.learning.shelf import ModelError, Shelf
from anomaly.learning.trees import Ensemble
from anomaly.transactions.features import describe
from compliance.backtest import Backtest, Compared
from compliance.model import parse_rule
from compliance.ruleset import Edit, RuleSet, SourceText, Term
from counterfoil import tokens
from counterfoil.accounts import PartyAccount
from counterfoil.admission import read_request, request_of, write_request
from ledger import canonical, delivery, documents, flag_payload
from ledger.audit.trust import Trust, TrustedMember
from ledger.batch import BatchHeader
from ledger.commitment.record import OpenedField
from ledger.decision import Decision
from ledger.delivery import NOTHING, Counted, Delivery
from ledger.deployment import CONTRACTS, Deployment
from ledger.disclosure import DisclosedField, Disclosure, PseudonymOpening, TokenOpening
from ledger.draw import Draw, drawn
from ledger.encoding import ristretto
from ledger.encoding.ceremony import Ceremony, make_contribution
from ledger.encoding.evaluation import EpochKey, Evaluation, Share
from ledger.encoding.policy import Policy
from ledger.envelope import public_key
from ledger.errors import ConfigurationError, CounterfoilError, VerificationError
from ledger.flag import Entity, Flag, FlagSource, Position, RowRef, verify_view
from ledger.flag_payload import Addressee
from ledger.gateway.records import EvaluationRequest
from ledger.holder.keys import HolderKeys
from ledger.holder.shares import HeldShare, load_share, save_share
from ledger.home import Home
from ledger.keystore import sealing
from ledger.keystore.passphrase import PASSPHRASE
from ledger.keystore.token import TokenAccount, TokenCheckpointKey
from ledger.keystore.uri import TokenUri
from ledger.log import (
    Checkpoint,
    KeyType,
    Note,
    Proof,
    VerifierKey,
    consortium_policy,
    open_checkpoint,
    sign_checkpoint,
)
from ledger.log import Policy as LogPolicy
from ledger.log import (
    public_key as signing_public,
)
from ledger.log.anchors import AnchorDocument, anchor_content
from ledger.log.cosignature import cosign, witness_key
from ledger.log.policy import Log, Witness
from ledger.log.submission import Submission
from ledger.member.keys import MemberKeys
from ledger.opened_draw import OpenedDraw, OpenedElement, Reason, UnexplainedElement
from ledger.reader.keys import DeskKeys
from ledger.reader.notes import NoteBook
from ledger.receipt import Receipt
from ledger.segment import MANIFEST, FileEntry, Manifest
from ledger.signing import address_of
from ledger.typed_data import ADMISSION, KEY_CHANGE, sign_typed
from ledger.witness import WitnessBook
from localchain import backup, genesis
from localchain.check import Summary
from localchain.database import Database
from localchain.errors import BackupError, LocalChainError

__all__ = ["GOLDEN", "Golden"]


@dataclass(frozen=True)
class Golden:
    """A document of one format.

    Parameters
    ----------
    write : callable
        Makes its bytes; given an empty folder.
    read : callable or None
        Reads bytes, given an empty folder; None where nothing of ours reads it.
    error : type
        What `read` raises when it refuses.
    close : callable
        Makes anew what vouches for a JSON value that was changed (a digest), so that the change itself meets
        the parser.
    free : sequence of str
        Beginnings of the paths of what the format leaves open: "details." is all that stands in there.
    maps : sequence of str
        Fields that are maps: what a key may be is not their format's matter, what a value may be is.
    nullable : sequence of str
        Fields that may be null instead.
    fractions : sequence of str
        Fields that are any number, not whole numbers only.
    """

    write: Callable[[Path], bytes]
    read: Callable[[bytes, Path], Any] | None
    error: type[Exception] = VerificationError
    close: Callable[[Any], Any] = lambda value: value
    free: Sequence[str] = ()
    maps: Sequence[str] = ()
    nullable: Sequence[str] = ()
    fractions: Sequence[str] = ()


def secret(number: int) -> bytes:
    """Return 32 fixed bytes that are a valid key of every kind that is used here."""
    return bytes([number]) * 32


SEED = bytes(range(32))
SIGNING = secret(7)
VERIFYING = bytes.fromhex("ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c")

DETECTED = Flag(
    source=FlagSource("detector", "fan_in", "1", {"detector": {"window": 86_400, "share": 0.25}}),
    title="fan-in",
    position=Position(20_261, "0x" + "11" * 20, 40, 7),
    entities=(Entity("ab" * 16, 1), Entity("cd" * 16, 2)),
    rows=(RowRef(1, 0, 3), RowRef(2, 1, 4)),
    window=(1_700_000_000, 1_700_086_400),
    score=0.5,
    certainty="possible",
    severity="medium",
    explanation="Many accounts pay into one within a day: “fan-in”.",
    details={"count": 2, "share": 0.125, "banks": [{"agent": 1}], "cut": False, "note": None},
)
FOUND = Flag(
    source=FlagSource("rule", "us-31cfr1010.311-1", "3f" * 32),
    title="us-31cfr1010.311-1",
    position=Position(20_261, "0x" + "11" * 20, 40, 7),
    entities=(),
    rows=(),
    window=(0, 1),
    score=None,
    certainty="needs_member",
    severity="high",
    explanation="A bank may owe a report.",
    citation="31 CFR 1010.311",
    clause="Each financial institution shall file a report of each transaction of more than $10,000.",
    truncated=True,
)
POLICY = Policy(
    time_unit="day", cuts={"EUR": [1_000_001, 1_000_000], "USD": []}, grid=[1, 10, 100], rule_set="5d" * 32
)
HEADER = BatchHeader(20_261, b"\x11" * 20, b"\x22" * 20, 3, b"\x33" * 32, 1, POLICY.hash, 2, b"\x44" * 32)
ORIGIN = "counterfoil/20261/" + "ab" * 32 + "/" + "11" * 20 + "/ledger"
CHECKPOINT = Checkpoint(ORIGIN, 3, b"\x55" * 32)
SIGNED = Note.parse(sign_checkpoint(CHECKPOINT, ORIGIN, SIGNING))
WITNESS = witness_key(ORIGIN.replace("/ledger", "/witness/ALFADEFF"), signing_public(secret(8)))
COSIGNED = SIGNED.with_lines(cosign(SIGNED, WITNESS.name, secret(8), 1_790_000_000))
LOG_POLICY = consortium_policy(
    [Log(VerifierKey(ORIGIN, KeyType.ED25519, VERIFYING))],
    [Witness("ALFADEFF", WITNESS, "https://w.example")],
    1,
)
PROOF = Proof(2, (b"\x88" * 32, b"\x99" * 32), COSIGNED.text)
SUBMISSION = Submission(1, (b"\x88" * 32,), SIGNED)
DEPLOYMENT = Deployment(
    20_261, "0x" + "ab" * 32, 3, {name: f"0x{i:040x}" for i, name in enumerate(CONTRACTS, 1)}
)
RECEIPT = Receipt(
    row=bytes(range(144)),
    index=1,
    rows_path=(b"\x77" * 32,),
    header=HEADER,
    signature=HEADER.sign(DEPLOYMENT.genesis, secret(5)),
    block=40,
    block_time=1_790_000_000,
    ledger_proof=PROOF.to_text(),
    verdict_proof=PROOF.to_text(),
)
DISCLOSURE = Disclosure(
    RECEIPT,
    POLICY.document.decode(),
    (
        DisclosedField(OpenedField("amount", "12000.00", b"\x01" * 16, 11, (b"\xaa" * 32,))),
        DisclosedField(
            OpenedField("on_behalf_of", None, b"\x02" * 16, 10, (b"\xbb" * 32, b"\xcc" * 32)),
        ),
        DisclosedField(
            OpenedField("debtor_account", "acct:ALFADEFF:1", b"\x03" * 16, 5, (b"\xdd" * 32,)),
            PseudonymOpening(0, 1, b"\x04" * 32),
        ),
        DisclosedField(OpenedField("uetr", "ab", b"\x05" * 16, 0, ()), TokenOpening(b"\x06" * 32)),
    ),
    (Evaluation(1, 0, (b"\x07" * 32, b"\x08" * 32), (Share(1, (b"\x09" * 32,) * 2, b"\x0a" * 64),)),),
    "request 17 of the supervisor",
    "The supervisor",
).sign(DEPLOYMENT.domain("BatchLedger"), secret(5))
_REQUESTS = [EvaluationRequest(n, 1, 1, 600, secret(n), None, 30 + n) for n in (3, 5)]
DRAW = Draw(DEPLOYMENT.name, "ALFADEFF", 36, 40, 1_200, SEED, drawn(SEED, _REQUESTS, 3))
OPENED_DRAW = OpenedDraw(
    DRAW.digest,
    "ALFADEFF",
    "The supervisor",
    (
        OpenedElement(DRAW.places[0], b"\x08" * 32, (b"\xaa" * 32, b"\xbb" * 32), 0, "debtor_account"),
        OpenedElement(DRAW.places[1], b"\x0e" * 32, (b"\xcc" * 32,), 0, "debtor_account", b"\x0f" * 32),
        UnexplainedElement(DRAW.places[2], Reason.WAITING),
    ),
    (DISCLOSURE,),
).sign(DEPLOYMENT.domain("EvaluationLog"), secret(5))
DECISION = Decision(bytes(range(32)), "not_suspicious", "a payroll, seen before", 1_790_000_000, b"\x09" * 32)


def _trust() -> Trust:
    """A bank that changed its account, and one epoch with two holders of the pseudonym key."""
    old, new = (bytes.fromhex(address_of(secret(n))[2:]) for n in (5, 6))
    names = ("x25519", "hpke", "witness")
    keys = {f"{name}_key": secret(10 + n) for n, name in enumerate(names)}
    signed = {f"{name}Key": secret(10 + n) for n, name in enumerate(names)}
    domain = DEPLOYMENT.domain("Consortium")
    admitted = sign_typed(domain, ADMISSION, {"account": old, "agent": "ALFADEFF", **signed}, secret(5))
    changed = [
        sign_typed(domain, KEY_CHANGE, {"account": old, "newAccount": new, **signed, "nonce": 0}, secret(n))
        for n in (5, 6)
    ]
    members = (
        TrustedMember(1, "ALFADEFF", old, **keys, signature=admitted),
        TrustedMember(
            1, "ALFADEFF", new, **keys, signature=changed[0], previous=old, new_signature=changed[1]
        ),
    )
    origins = DEPLOYMENT.ledger_origin, DEPLOYMENT.verdict_origin
    logs = [
        Log(VerifierKey(origin, KeyType.ED25519, signing_public(secret(n))))
        for n, origin in zip((7, 9), origins, strict=True)
    ]
    epoch = EpochKey(1, 0, b"\x0b" * 32, (b"\x0c" * 32, b"\x0d" * 32))
    return Trust(DEPLOYMENT, consortium_policy(logs, [Witness("ALFADEFF", WITNESS)], 1), members, (epoch,))


TRUST = _trust()
RULE: dict[str, Any] = {
    "rule_id": "us-s.5-1",
    "citation": "31 CFR 5",
    "kind": "report",
    "span": [2, 80],
    "subject": "a bank",
    "modality": "must",
    "action": "report",
    "transaction_type": "cash transaction",
    "trigger": {"op": "gt", "amount": "10000", "currency": "USD", "span": [40, 60]},
    "aggregation": None,
    "deadline": {"value": 15, "unit": "day", "anchor": None, "span": [60, 78]},
    "retention": None,
    "references": ["s. 6"],
    "spans": {"modality": [9, 14]},
    "status": "executable",
}
RULES = RuleSet(
    name="rules",
    rules=(parse_rule(RULE, document="rules"),),
    clauses={"us-s.5-1": "A bank shall report each cash transaction of more than $10,000."},
    sources=(SourceText("us_s.txt", "5d" * 32, "US"), SourceText("other.txt", "6e" * 32)),
    origin={"us-s.5-1": "us_s.txt"},
    words={"us-s.5-1": {"trigger": "more than $10,000"}},
    terms={"us-s.5-1": Term(date(2026, 1, 1))},
    edits=(
        Edit("us-s.5-1", "trigger.amount", "20000", "10000", "the gazette of 2 May"),
        Edit("us-s.5-1", "reasons", ["unclear"], [], "read again"),
    ),
    linked_days=10,
)
BACKTEST = Backtest(
    "ab" * 32,
    None,
    DETECTED.position,
    120,
    (Compared("us-s.5-1", 120, 2, 3, 4, 1, 1, 0, None, 2, 0, True, ""),),
)


def saved(save: Callable[[Path], object]) -> Callable[[Path], bytes]:
    """Return what writes a document through a file."""

    def make(folder: Path) -> bytes:
        save(folder / "written.json")
        return (folder / "written.json").read_bytes()

    return make


def loaded(load: Callable[[Path], Any], name: str = "read.json") -> Callable[[bytes, Path], Any]:
    """Return what reads a document through a file."""

    def read(data: bytes, folder: Path) -> Any:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        return load(folder / name)

    return read


def _manifest(folder: Path) -> bytes:
    rows = FileEntry("rows-0-1.parquet", "ab" * 32, 5, 0, 1)
    transfers = FileEntry("transfers-2.parquet", "cd" * 32, 4, 0, 2)
    Manifest(DETECTED.position, (rows, FileEntry("rows-1-2.parquet", "ef" * 32, 6, 1, 2)), transfers).write(
        folder
    )
    return (folder / MANIFEST).read_bytes()


def _with_digest(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("digest"), str):
        return value
    body = {key: item for key, item in value.items() if key != "digest"}
    return body | {"digest": sha256(canonical.dumps(body)).hexdigest()}


def _with_hash(value: Any) -> Any:
    """Make the hash of a flag's parameters anew."""
    source = value.get("source") if isinstance(value, dict) else None
    if not isinstance(source, dict) or not isinstance(source.get("parameters_hash"), str):
        return value
    digest = sha256(canonical.dumps(source.get("parameters"))).hexdigest()
    return value | {"source": source | {"parameters_hash": digest}}


def _seal(content: bytes, context: bytes, _: Any) -> bytes:
    """Seal without randomness: what is pinned is how the parts are put together."""
    return b"sealed:" + context + content


def _slot(content: bytes, context: bytes, _: bytes) -> bytes:
    return sha256(context).digest() + content + bytes(16)


def _case_payload(_: Path) -> bytes:
    flag_id = DETECTED.flag_id(SEED)
    to = [
        Addressee(public_key(secret(2 + code)), Delivery(code, code, secret(9), flag_id)) for code in (1, 2)
    ]
    with (
        patch.object(flag_payload, "seal", _seal),
        patch.object(flag_payload, "seal_slot", _slot),
        patch.object(flag_payload, "decoy_slot", lambda size: b"\xdd" * (32 + size + 16)),
        patch.object(flag_payload, "_SHUFFLE"),
    ):
        readers = [public_key(secret(5))]
        return flag_payload.seal_flag(
            DETECTED, SEED, author=b"\x21" * 20, addressees=to, readers=readers
        ).payload


def _deliveries(_: Path) -> bytes:
    counts = [Counted(1, 3, secret(8)), Counted(2, 0, NOTHING)]
    keys = {code: public_key(secret(2 + code)) for code in (1, 2)}
    with (
        patch.object(delivery, "seal", _seal),
        patch.object(delivery, "seal_slot", _slot),
        patch.object(delivery, "os") as system,
    ):
        system.urandom.return_value = secret(6)
        says, _unusable = delivery.seal_counts(counts, b"\x21" * 20, keys, [public_key(secret(5))])
    return canonical.dumps({"format": "counterfoil/note/1", "topic": "deliveries", **says})


def _note(folder: Path) -> bytes:
    with NoteBook(folder / "cases.sqlite") as book:
        book.keep(bytes(32), "drift", {"model": "ab" * 32, "drift": {"verdict": "stable", "score": 0.25}})
    with closing(sqlite3.connect(folder / "cases.sqlite")) as database:
        return bytes(database.execute("SELECT payload FROM note").fetchone()[0])


def _head() -> bytes:
    content = anchor_content(3, b"\x55" * 32, 2, [b"\x88" * 32])
    return canonical.dumps({"format": "counterfoil/note/1", "topic": "verdicts", **content})


def _evidence(folder: Path) -> bytes:
    with WitnessBook(folder) as book:
        case = book.accuse("contradiction", SIGNED, "the chain gives another root", 1_790_000_000)
    return (case.folder / "about.json").read_bytes()


def _read_evidence(data: bytes, folder: Path) -> Any:
    place = folder / "evidence" / "0"
    place.mkdir(parents=True, exist_ok=True)
    (place / "about.json").write_bytes(data)
    with WitnessBook(folder) as book:
        return book.cases()


def _share(folder: Path) -> bytes:
    HolderKeys(secret(1), secret(2)).save(folder / "keys.json")
    save_share(folder, HeldShare(epoch=1, generation=2, ceremony=5, index=3, secret=secret(4)))
    return (folder / "share-1-2.json").read_bytes()


def _read_share(data: bytes, folder: Path) -> HeldShare:
    (folder / "share-1-2.json").write_bytes(data)
    return load_share(folder, 1, 2)


MEMBER_KEYS = MemberKeys("ALFADEFF", secret(1), secret(2), secret(3), secret(4))

TOKEN_KEYS = replace(
    MEMBER_KEYS,
    account=TokenAccount(TokenUri.parse("pkcs11:token=counterfoil;object=account"), MEMBER_KEYS.address),
    witness=TokenCheckpointKey(
        TokenUri.parse("pkcs11:serial=7;id=%01%ff?module-path=/usr/lib/pkcs11.so"), MEMBER_KEYS.witness_public
    ),
)


def _encrypted_keys(folder: Path) -> bytes:
    with (
        patch.object(sealing, "WORK", 16),
        patch.object(sealing.os, "urandom", lambda size: bytes([size]) * size),
        patch.object(keyfile.Random, "get_random_bytes", lambda size: bytes([size + 1]) * size),
        patch.object(keyfile, "uuid4", lambda: UUID(int=4)),
    ):
        MEMBER_KEYS.save(folder / "keys.json", passphrase="correct horse")
    return (folder / "keys.json").read_bytes()


def _decrypted(path: Path) -> MemberKeys:
    PASSPHRASE.use("correct horse")
    try:
        return MemberKeys.load(path)
    finally:
        PASSPHRASE.forget()


def _tokens(folder: Path) -> bytes:
    with (
        patch.object(tokens.secrets, "token_urlsafe", lambda size: "A" * size),
        patch.object(tokens, "datetime") as clock,
    ):
        clock.now().isoformat.return_value = "2026-01-05T10:00:00+00:00"
        tokens.issue(Home(folder), "member", "ALFADEFF")
        tokens.issue(Home(folder), "officer", "Ada", days=90)
    return Home(folder).tokens.read_bytes()


def _register(folder: Path) -> bytes:
    shelf = Shelf(folder)
    shelf.crown("ab" * 32)
    shelf.crown("cd" * 32)
    return (folder / "register.json").read_bytes()


def _model() -> Model:
    leaf = {
        "first": np.zeros(1, np.int64), "feature": np.zeros(1, np.int32), "threshold": np.zeros(1),
        "missing_left": np.zeros(1, np.bool_), "left": np.zeros(1, np.int32), "right": np.zeros(1, np.int32),
        "value": np.zeros(1), "leaf": np.ones(1, np.bool_),
    }  # fmt: skip
    document = ModelDocument(
        facts={"learnt_from": 1_700_000_000, "learnt_until": 1_700_600_000, "seed": 0},
        features=[column.name for column in describe("window_close")],
        window=604_800,
        scoring="window_close",
        levels=[(978, 5.5, 0.75), (840, 6.0, 0.25)],
        calibration=(1.25, -3.0, 0.0625),
        stages=1,
    )
    arrays = {f"second.{name}": array for name, array in Ensemble(3, 0.5, leaf).to_arrays().items()}
    arrays |= {
        "shares": np.linspace(0, 1, 5),
        "reference.values": np.zeros((2, 3), np.float32),
        "reference.probability": np.array([0.25, 0.5]),
    }
    return Model.from_arrays(document, arrays)


def _model_value(folder: Path) -> bytes:
    """The JSON value in a model's file; the arrays beside it are NumPy's."""
    digest = Shelf(folder).put(_model())
    with np.load(folder / f"{digest}.npz", allow_pickle=False) as archive:
        return bytes(archive["value.json"].tobytes())


def _read_model(data: bytes, folder: Path) -> Any:
    _, arrays = _model().to_arrays()
    file = io.BytesIO()
    np.savez_compressed(file, **{"value.json": np.frombuffer(data, np.uint8)}, **arrays)
    digest = sha256(file.getvalue()).hexdigest()
    (folder / f"{digest}.npz").write_bytes(file.getvalue())
    return Shelf(folder).load(digest)


SUMMARY = Summary(20_261, "0x" + "ab" * 32, 9, "0x" + "cd" * 32, "0x" + "ef" * 32)


def _backup(folder: Path) -> bytes:
    chain = folder / "chain"
    chain.mkdir()
    with closing(sqlite3.connect(chain / "chain.sqlite3")) as database:
        database.execute("CREATE TABLE blocks (number INTEGER PRIMARY KEY, hash BLOB)")
        database.execute("INSERT INTO blocks VALUES (9, ?)", (b"\xcd" * 32,))
        database.commit()
    (chain / "faucet.key").write_text("00", "ascii")
    with (
        patch.object(backup, "check", lambda _: SUMMARY),
        patch.object(backup, "_sha256", lambda _: "12" * 32),
    ):
        backup.back_up(chain, folder / "backup")
    return (folder / "backup" / "backup.json").read_bytes()


def _verify_backup(data: bytes, folder: Path) -> Any:
    (folder / "backup.json").write_bytes(data)
    (folder / "chain.sqlite3").touch()
    with (
        patch.object(backup, "check", lambda _: SUMMARY),
        patch.object(backup, "_sha256", lambda _: "12" * 32),
    ):
        return backup.verify(folder)


def _genesis(folder: Path) -> bytes:
    with closing(Database(folder / "chain.sqlite3")) as database, patch.object(genesis, "time") as clock:
        clock.time.return_value = 1_700_000_000.5
        genesis.open_genesis(database, chain_id=20_261, faucet=b"\x11" * 20)
    with closing(sqlite3.connect(folder / "chain.sqlite3")) as database:
        kept = dict(database.execute("SELECT key, value FROM meta"))
    assert kept["format"] == "counterfoil/localchain/2"
    return str(kept["genesis"]).encode()


def _read_genesis(data: bytes, folder: Path) -> Any:
    with closing(Database(folder / "chain.sqlite3")) as database:
        meta = [("format", "counterfoil/localchain/2"), ("genesis", data.decode())]
        database.commit([("INSERT INTO meta VALUES (?, ?)", meta)])
        return genesis.open_genesis(database, chain_id=20_261, faucet=b"\x11" * 20)


def _contribution(_: Path) -> bytes:
    """The contribution of the first of three holders, with random numbers that are not random."""
    numbers = count(1)
    keys = tuple(ristretto.multiply_base(secret(n)) for n in (1, 2, 3))
    ceremony = Ceremony(20_261, b"\x44" * 20, epoch=1, generation=0, attempt=0, threshold=2, holders=keys)
    return make_contribution(ceremony, 1, scalars=lambda: next(numbers).to_bytes(32, "little"))


GOLDEN: dict[str, Golden] = {
    "flag": Golden(
        lambda _: canonical.dumps(DETECTED.to_json()),
        lambda data, _: Flag.from_json(canonical.loads(data)),
        close=_with_hash,
        free=("source.parameters.", "details."),
        nullable=("citation", "clause", "score"),
        fractions=("score",),
    ),
    "finding": Golden(
        lambda _: canonical.dumps(FOUND.to_json()),
        lambda data, _: Flag.from_json(canonical.loads(data)),
        close=_with_hash,
        free=("source.parameters.", "details."),
        nullable=("citation", "clause", "score"),
        fractions=("score",),
    ),
    "flag view": Golden(
        lambda _: canonical.dumps(DETECTED.view(SEED, 1)),
        lambda data, _: verify_view(canonical.loads(data), DETECTED.flag_id(SEED)),
    ),
    "case payload": Golden(
        _case_payload, lambda data, _: flag_payload.read_payload(data, DETECTED.flag_id(SEED))
    ),
    "decision": Golden(lambda _: DECISION.to_bytes(), lambda data, _: Decision.from_bytes(data)),
    "note": Golden(_note, None),
    "note of deliveries": Golden(_deliveries, lambda data, _: delivery.read_note(data)),
    "batch header": Golden(
        lambda _: HEADER.to_bytes(), lambda data, _: BatchHeader.from_bytes(data)
    ),
    "packed batch header": Golden(lambda _: HEADER.pack(), None),
    "receipt": Golden(lambda _: RECEIPT.to_bytes(), lambda data, _: Receipt.from_bytes(data)),
    "disclosure": Golden(lambda _: DISCLOSURE.to_bytes(), lambda data, _: Disclosure.from_bytes(data),
        nullable=("fields[].value", "fields[].proof")),
    "draw": Golden(lambda _: DRAW.to_bytes(), lambda data, _: Draw.from_bytes(data)),
    "opened draw": Golden(lambda _: OPENED_DRAW.to_bytes(), lambda data, _: OpenedDraw.from_bytes(data),
        nullable=("elements[].blind", "disclosures[].fields[].value", "disclosures[].fields[].proof")),
    "checkpoint": Golden(
        lambda _: COSIGNED.text.encode(),
        lambda data, _: open_checkpoint(data, LOG_POLICY, origin=ORIGIN),
    ),
    "verifier key": Golden(
        lambda _: WITNESS.text.encode(), lambda data, _: VerifierKey.parse(data.decode()), ConfigurationError
    ),
    "checkpoint policy": Golden(
        lambda _: LOG_POLICY.text.encode(), lambda data, _: LogPolicy.parse(data), ConfigurationError
    ),
    "log proof": Golden(lambda _: PROOF.to_text().encode(), lambda data, _: Proof.parse(data)),
    "witness request": Golden(lambda _: SUBMISSION.to_bytes(), lambda data, _: Submission.parse(data)),
    "head of the verdict log": Golden(
        lambda _: _head(), lambda data, _: documents.read(data, AnchorDocument, what="head")
    ),
    "evidence": Golden(_evidence, _read_evidence),
    "deployment": Golden(saved(DEPLOYMENT.save), loaded(Deployment.load), ConfigurationError),
    "trust file": Golden(saved(TRUST.save), loaded(Trust.load), ConfigurationError,
        nullable=("members[].previous", "members[].new_signature")),
    "policy": Golden(lambda _: POLICY.document, lambda data, _: Policy.from_document(data),
        maps=("cuts",), nullable=("rule_set",)),
    "manifest": Golden(
        _manifest, loaded(lambda path: Manifest.read(path.parent), MANIFEST), close=_with_digest,
        nullable=("transfers",),
    ),
    "member keys": Golden(
        saved(MEMBER_KEYS.save),
        loaded(MemberKeys.load),
        ConfigurationError,
        nullable=tuple(f"keys.{name}.token" for name in ("account", "hpke", "witness", "x25519")),
    ),
    "encrypted member keys": Golden(
        _encrypted_keys,
        loaded(_decrypted),
        ConfigurationError,
        nullable=tuple(f"keys.{name}.token" for name in ("account", "hpke", "witness", "x25519")),
    ),
    "member keys on a token": Golden(
        saved(TOKEN_KEYS.save), loaded(MemberKeys.load), ConfigurationError,
        nullable=tuple(f"keys.{name}.token" for name in ("account", "hpke", "witness", "x25519")),
    ),
    "member keys 2": Golden(
        lambda _: canonical.dumps({
            "format": "counterfoil/member-keys/2", "agent": "ALFADEFF", "account": secret(1).hex(),
            "x25519": secret(2).hex(), "hpke": secret(3).hex(), "witness": secret(4).hex(),
        }),
        loaded(MemberKeys.load),
        ConfigurationError,
    ),
    "desk keys": Golden(
        saved(DeskKeys(secret(1), secret(2), secret(5), {24_313: secret(3), 9: secret(4)}).save),
        loaded(DeskKeys.load),
        ConfigurationError,
        nullable=tuple(
            f"keys.{name}.token" for name in ("account", "ledger", "verdicts", "reader-9", "reader-24313")
        ),
    ),
    "desk keys 2": Golden(
        lambda _: canonical.dumps({
            "format": "counterfoil/desk-keys/2", "account": secret(1).hex(), "ledger": secret(2).hex(),
            "verdicts": secret(5).hex(), "readers": {"24313": secret(3).hex(), "9": secret(4).hex()},
        }),
        loaded(DeskKeys.load),
        ConfigurationError,
        maps=("readers",),
    ),
    "key ceremony's contribution": Golden(_contribution, None),
    "key holder's keys": Golden(
        saved(HolderKeys(secret(1), secret(2)).save), loaded(HolderKeys.load), ConfigurationError,
        nullable=("keys.account.token", "keys.encryption.token"),
    ),
    "key holder's share": Golden(_share, _read_share, ConfigurationError, nullable=("keys.share.token",)),
    "account": Golden(
        saved(PartyAccount(secret(1), secret(2)).save),
        loaded(lambda path: PartyAccount.load(path, who="Ada")),
        ConfigurationError,
        nullable=("keys.account.token", "keys.reader-1.token"),
    ),
    "request for admission": Golden(
        saved(lambda path: write_request(path, request_of(MEMBER_KEYS, DEPLOYMENT))),
        loaded(read_request),
        ConfigurationError,
    ),
    "tokens": Golden(
        _tokens, loaded(lambda path: tokens.tokens(Home(path.parent)), "tokens.json"), ConfigurationError,
        nullable=("tokens[].expires_at",),
    ),
    "rule set": Golden(
        lambda _: RULES.to_bytes(), lambda data, _: RuleSet.from_bytes(data), CounterfoilError,
        free=("edits[].before", "edits[].after"),
        maps=("clauses", "origin", "words", "words.*", "terms", "rules[].spans"),
        nullable=(
            "rules[].aggregation", "rules[].retention", "rules[].trigger", "rules[].deadline",
            "rules[].deadline.anchor", "rules[].subject", "rules[].action", "rules[].transaction_type",
            "rules[].citation", "rules[].trigger.amount", "rules[].trigger.currency",
            "rules[].deadline.value", "sources[].jurisdiction", "terms.*.since", "terms.*.until",
        ),
    ),
    "backtest": Golden(lambda _: BACKTEST.to_bytes(), None),
    "register of models": Golden(
        _register, loaded(lambda path: Shelf(path.parent).entries(), "register.json"), ModelError
    ),
    "model": Golden(
        _model_value, _read_model,
        free=("facts.",), fractions=("levels[][]", "calibration[]"),
    ),
    "chain backup": Golden(_backup, _verify_backup, BackupError),
    "chain genesis": Golden(_genesis, _read_genesis, LocalChainError),
}  # fmt: skip
