"""Whatever arrives from outside: a parser answers with a value or with one of our errors, soon, in bounds.

A new parser is one line in `PARSERS`: what a sound input is, and what reads it. Inputs are sound ones that
were mutated, as bytes and as JSON, and arbitrary bytes. ``COUNTERFOIL_FUZZ_EXAMPLES=20000`` runs as many of
each. Parquet has a process of its own, in tests/ledger/member/test_hostile_files.py.
"""

from __future__ import annotations

import base64
import json
import os
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import httpx
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.ruleset import RuleSet
from counterfoil.accounts import PartyAccount
from counterfoil.admission import read_request, request_of, write_request
from ledger import canonical
from ledger.audit.trust import Trust
from ledger.audit.verify import verify
from ledger.batch import BatchHeader
from ledger.commitment import merkle
from ledger.decision import Decision, open_decision, seal_decision
from ledger.delivery import NOTHING, Counted, Delivery, open_count, open_counts, read_note, seal_counts
from ledger.deployment import CONTRACTS, Deployment
from ledger.encoding import oprf
from ledger.encoding.answers import evaluate_in_batches, wrong_answers
from ledger.encoding.keyholder_client import HttpKeyHolder
from ledger.encoding.policy import Policy
from ledger.encoding.rows import ROW
from ledger.envelope import generate_keypair, key_id, open_envelope, seal
from ledger.errors import CounterfoilError, VerificationError
from ledger.evaluation_request import Chunk
from ledger.flag import Entity, Flag, FlagSource, Position, RowRef, verify_view
from ledger.flag_payload import Addressee, open_for_reader, open_part, read_payload, seal_flag
from ledger.gateway import PostedBatch
from ledger.holder.keys import HolderKeys
from ledger.holder.shares import HeldShare, load_share, save_share
from ledger.log import (
    Checkpoint,
    KeyType,
    Note,
    Proof,
    VerifierKey,
    consortium_policy,
    generate_signing_key,
    open_checkpoint,
    sign_checkpoint,
)
from ledger.log import Policy as LogPolicy
from ledger.log.policy import Log
from ledger.log.submission import Submission
from ledger.member.intake import open_source, read_chunks
from ledger.member.keys import MemberKeys
from ledger.opening import BatchOpener
from ledger.reader.keys import DeskKeys
from ledger.schema import ROW_VERSION, Side, TokenKind
from ledger.segment import MANIFEST, FileEntry, Manifest
from ledger.transport import Transport
from tests.support.consortium import SmallConsortium
from tests.support.golden import TRUST
from tests.support.rows import row, write_csv

EXAMPLES = int(os.environ.get("COUNTERFOIL_FUZZ_EXAMPLES", "40"))

#: Seconds of processor time for one small input; a parser that needs more has no bound.
SECONDS = 5.0

PRIVATE, PUBLIC = generate_keypair()
SIGNING, VERIFYING = generate_signing_key()
CONTEXT = b"context"
SEED = bytes(range(32))
SCALAR = b"\x01" * 32
DEPLOYMENT = Deployment(
    20_261, "0x" + "ab" * 32, 3, {name: f"0x{i:040x}" for i, name in enumerate(CONTRACTS, 1)}
)
FLAG = Flag(
    FlagSource("detector", "fan_in", "1", {"window": 86_400}), "fan-in", Position(1, "0x" + "11" * 20, 40, 7),
    (Entity("ab" * 16, 1), Entity("cd" * 16, 2)), (RowRef(1, 0, 3), RowRef(2, 1, 4)), (0, 86_400), 0.5,
    "possible", "medium", "Many accounts pay into one within a day.", details={"count": 2},
)  # fmt: skip
POLICY = Policy(cuts={"EUR": [1_000_000]}, grid=[1, 10, 100])
HEADER = BatchHeader(1, bytes(20), bytes(20), 0, bytes(32), 1, POLICY.hash, 3, bytes(32))
DECISION = Decision.make(bytes(32), "suspicious", "fits no business", 1_790_000_000)
AUTHOR = b"\x21" * 20
OFFICER = "0x" + "22" * 20
ORIGIN = "counterfoil/1/ab/ledger"
LEAVES = [merkle.leaf_hash(entry) for entry in (b"other", b"entry")]
CHECKPOINT = sign_checkpoint(Checkpoint(ORIGIN, 2, merkle.root(LEAVES)), ORIGIN, SIGNING)
LOG_KEY = VerifierKey(ORIGIN, KeyType.ED25519, VERIFYING)
LOG_POLICY = consortium_policy([Log(LOG_KEY, "https://log.example")])


@dataclass(frozen=True)
class Parser:
    """What reads an input, and a sound input.

    Parameters
    ----------
    sound : callable
        Given a folder, makes the bytes of a sound input.
    parse : callable
        Given bytes and a folder, reads them.
    close : callable
        Given a JSON value that was changed, makes what vouches for it anew (a digest), so that a change is
        not stopped at the door.
    """

    sound: Callable[[Path], bytes]
    parse: Callable[[bytes, Path], Any]
    close: Callable[[Any], Any] = lambda value: value


def sealed_flag() -> bytes:
    keys = {1: PUBLIC, 2: generate_keypair()[1]}
    to = [Addressee(keys[code], Delivery(code, 0, NOTHING, FLAG.flag_id(SEED))) for code in keys]
    return seal_flag(FLAG, SEED, author=AUTHOR, addressees=to, readers=[PUBLIC]).payload


def open_as_member(data: bytes) -> Any:
    flag_id, private = FLAG.flag_id(SEED), X25519PrivateKey.from_private_bytes(PRIVATE)
    payload = read_payload(data, flag_id)
    found = open_part(payload, flag_id, author=AUTHOR, code=1, private_key=private)
    if found is not None and isinstance(found[1], VerificationError):
        raise found[1]


def open_as_reader(data: bytes) -> Any:
    flag_id = FLAG.flag_id(SEED)
    return open_for_reader(read_payload(data, flag_id), flag_id, author=AUTHOR, private_key=PRIVATE)


def note_of_deliveries() -> bytes:
    counts = [Counted(1, 3, bytes(32)), Counted(2, 0, NOTHING)]
    says, _ = seal_counts(counts, AUTHOR, {1: PUBLIC, 2: generate_keypair()[1]}, [PUBLIC])
    return canonical.dumps({"format": "counterfoil/note/1", "topic": "deliveries", **says})


def open_note(data: bytes) -> Any:
    note = read_note(data)
    open_count(note, AUTHOR, 1, X25519PrivateKey.from_private_bytes(PRIVATE))
    open_counts(note, AUTHOR, PRIVATE)


def from_file(load: Callable[[Path], Any], name: str = "input") -> Callable[[bytes, Path], Any]:
    def parse(data: bytes, folder: Path) -> Any:
        (folder / name).write_bytes(data)
        return load(folder / name)

    return parse


def saved(save: Callable[[Path], Any], name: str = "sound") -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        (folder / name).unlink(missing_ok=True)
        save(folder / name)
        return (folder / name).read_bytes()

    return make


def take_csv(path: Path) -> Any:
    return [len(chunk) for chunk in read_chunks(open_source(path), "ALFADEFF", now=datetime.now(UTC))]


def csv_rows(path: Path) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    write_csv(path, [row(n, start + timedelta(n), "ALFADEFF", "BRAVFRPP", bank="ALFADEFF") for n in range(4)])


def manifest(path: Path) -> None:
    entry = FileEntry("rows-0-1.parquet", "ab" * 32, 5, 0, 1)
    Manifest(FLAG.position, (entry, entry), replace(entry, name="transfers-1.parquet")).write(path.parent)
    (path.parent / MANIFEST).rename(path)


def with_digest(value: Any) -> Any:
    if isinstance(value, dict):
        body = {key: item for key, item in value.items() if key != "digest"}
        value = body | {"digest": sha256(canonical.dumps(body)).hexdigest()}
    return value


def answer_of_a_node(data: bytes, _: Path) -> Any:
    transport = Transport("http://127.0.0.1:1", seconds=1)
    transport._post = lambda body: (200, data)  # type: ignore[method-assign]
    return transport.ask("eth_blockNumber", [])


BLINDED = oprf.blind(b"iban:x").element


def key_holder(data: bytes) -> HttpKeyHolder:
    """A key holder that answers these bytes, whatever it is asked."""
    holder = HttpKeyHolder("http://127.0.0.1:1", b"\x01" * 32)
    said = httpx.MockTransport(lambda _: httpx.Response(200, content=data))
    holder._client = httpx.Client(base_url="http://127.0.0.1:1", transport=said)
    return holder


def answer_of_a_key_holder(data: bytes, _: Path) -> Any:
    answer = key_holder(data).evaluate(1, 0, Chunk(1, 0, (BLINDED,), ()))
    wrong = wrong_answers([oprf.public_key(SCALAR)], [BLINDED], {1: answer})
    for error in wrong.values():
        raise error


def identity_of_a_key_holder(data: bytes, _: Path) -> Any:
    holder = key_holder(data)
    return holder.index(1, 0), holder.public_key(1, 0)


def holder_says(_: Path) -> bytes:
    share = {"epoch": 1, "generation": 0, "index": 1, "public": "11" * 32}
    return json.dumps({"account": "0x" + "22" * 20, "encryption_key": "33" * 32, "shares": [share]}).encode()


def evaluated(_: Path) -> bytes:
    answer = evaluate_in_batches(SCALAR, [BLINDED])
    said = {name: [item.hex() for item in part] for name, part in answer._asdict().items()}
    return json.dumps({"generation": 0, "index": 1, **said}).encode()


def key_share(data: bytes, folder: Path) -> Any:
    (folder / "share-1-0.json").write_bytes(data)
    return load_share(folder, 1, 0)


def sound_share(folder: Path) -> bytes:
    place = folder / f"made-{os.urandom(4).hex()}"
    HolderKeys(SEED, SCALAR).save(place / "keys.json")
    save_share(place, HeldShare(1, 0, 1, 1, SCALAR))
    return (place / "share-1-0.json").read_bytes()


BUCKET = 490_000


def open_rows(data: bytes, _: Path) -> Any:
    """Rows that a bank sealed as it should, saying what they like."""
    size = ROW.itemsize
    leaves = [merkle.leaf_hash(data[i : i + size]) for i in range(0, len(data), size)]
    header = replace(HEADER, row_count=len(data) // size, rows_root=merkle.root(leaves))
    payload = seal(data, header.pack(), [(key_id(PUBLIC), PUBLIC)])
    posted = PostedBatch(header, bytes(65), header.hash, 0, 1, bytes(32), bytes(32), payload)
    opener = BatchOpener({POLICY.hash: POLICY.document}, [PRIVATE])
    return opener.open(
        posted, code=1, codes=frozenset({1, 2}), epoch=(-(2**62), 2**62), block_time=BUCKET * 3_600 + 7_200
    )


def sound_rows(_: Path) -> bytes:
    made = np.zeros(3, ROW)
    made["version"], made["side"], made["token_kind"] = ROW_VERSION, Side.DEBIT, TokenKind.UETR
    made["debtor_agent"], made["creditor_agent"], made["currency"] = 1, 2, 978
    made["time_bucket"], made["business_date"] = BUCKET, BUCKET // 24
    for name in ("debtor_account", "creditor_account", "match_token", "record_root"):
        made[name] = [bytes([number]) * ROW[name].itemsize for number in (1, 2, 3)]
    return made.tobytes()


def rule_set(_: Path) -> bytes:
    return RuleSet("rules", (), {}, (), {}, {}, {}, (), 0).to_bytes()


PARSERS: dict[str, Parser] = {
    "CSV": Parser(saved(csv_rows, "sound.csv"), from_file(take_csv, "input.csv")),
    "batch header": Parser(lambda _: HEADER.to_bytes(), lambda data, _: BatchHeader.from_bytes(data)),
    "envelope": Parser(
        lambda _: seal(b"rows" * 40, CONTEXT, [(key_id(PUBLIC), PUBLIC)]),
        lambda data, _: open_envelope(data, CONTEXT, PRIVATE),
    ),
    "rows": Parser(sound_rows, open_rows),
    "checkpoint": Parser(
        lambda _: CHECKPOINT.encode(), lambda data, _: open_checkpoint(data, LOG_POLICY, origin=ORIGIN)
    ),
    "verifier key": Parser(
        lambda _: LOG_KEY.text.encode(),
        lambda data, _: VerifierKey.parse(data.decode("utf-8", "surrogateescape")),
    ),
    "checkpoint policy": Parser(lambda _: LOG_POLICY.text.encode(), lambda data, _: LogPolicy.parse(data)),
    "log proof": Parser(
        lambda _: Proof(1, (LEAVES[0],), CHECKPOINT).to_text().encode(),
        lambda data, _: Proof.parse(data).verify(b"entry", LOG_POLICY, origin=ORIGIN),
    ),
    "witness request": Parser(
        lambda _: Submission(1, (bytes(32),), Note.parse(CHECKPOINT)).to_bytes(),
        lambda data, _: Submission.parse(data),
    ),
    "policy": Parser(lambda _: POLICY.document, lambda data, _: Policy.from_document(data)),
    "rule set": Parser(rule_set, lambda data, _: RuleSet.from_bytes(data)),
    "flag": Parser(
        lambda _: canonical.dumps(FLAG.to_json()), lambda data, _: Flag.from_json(canonical.loads(data))
    ),
    "flag view": Parser(
        lambda _: canonical.dumps(FLAG.view(SEED, 1)),
        lambda data, _: verify_view(canonical.loads(data), FLAG.flag_id(SEED)),
    ),
    "case payload": Parser(lambda _: sealed_flag(), lambda data, _: open_as_member(data)),
    "case payload, for a reader": Parser(lambda _: sealed_flag(), lambda data, _: open_as_reader(data)),
    "note of deliveries": Parser(lambda _: note_of_deliveries(), lambda data, _: open_note(data)),
    "decision": Parser(lambda _: DECISION.to_bytes(), lambda data, _: Decision.from_bytes(data)),
    "sealed decision": Parser(
        lambda _: seal_decision(DECISION, OFFICER, SEED, [PUBLIC]),
        lambda data, _: open_decision(
            data, DECISION.flag_id, OFFICER, DECISION.content_hash(OFFICER), [PRIVATE]
        ),
    ),
    "trust file": Parser(saved(TRUST.save), from_file(Trust.load)),
    "deployment file": Parser(saved(DEPLOYMENT.save), from_file(Deployment.load)),
    "member key file": Parser(saved(MemberKeys.generate("ALFADEFF").save), from_file(MemberKeys.load)),
    "desk key file": Parser(saved(DeskKeys.generate(24_313).save), from_file(DeskKeys.load)),
    "key holder's key file": Parser(saved(HolderKeys(SEED, SCALAR).save), from_file(HolderKeys.load)),
    "key share": Parser(sound_share, key_share),
    "account file": Parser(
        saved(PartyAccount(SEED).save), from_file(lambda path: PartyAccount.load(path, who="the founder"))
    ),
    "request for admission": Parser(
        saved(lambda path: write_request(path, request_of(MemberKeys.generate("ALFADEFF"), DEPLOYMENT))),
        from_file(read_request),
    ),
    "manifest": Parser(
        saved(manifest), from_file(lambda path: Manifest.read(path.parent), MANIFEST), with_digest
    ),
    "answer of a node": Parser(lambda _: b'{"jsonrpc":"2.0","id":1,"result":"0x10"}', answer_of_a_node),
    "answer of a key holder": Parser(evaluated, answer_of_a_key_holder),
    "identity of a key holder": Parser(holder_says, identity_of_a_key_holder),
}

# what inputs are made of

HOSTILE: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**400, 0.5, -0.0, 1e308,
    float("nan"), float("inf"), "", "0", "\ud800", "\x00", "é", "0x", "a" * 10_000, "9" * 5_000, "../../x",
    [], {}, [[]], [None], [1, 2, 3], {"": None}, {"a": {"b": []}}, [[[[[[]]]]]],
    base64.b64encode(bytes(64)).decode(),
]  # fmt: skip
CHUNKS = [
    b"", b"\x00", b"\xff" * 32, b"[" * 3_000, b"{" * 3_000, b'{"a":' * 2_000, b'"', b"\\", b"\\ud800",
    b"NaN", b"-", b"1" * 6_000, b"1e999", b"\n", b"\n\n", b",", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9", b"\r",
    b'"format":', b"PAR1",
]  # fmt: skip


def mutated_bytes(data: bytes, chance: Random) -> bytes:
    """Flip, cut, repeat and put in."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                del changed[at : at + chance.choice((1, 1, 8, 200))]
            case 2:
                changed[at:at] = changed[at : at + chance.choice((1, 8, 200))]
            case 3:
                changed[at:at] = chance.choice(CHUNKS)
            case _:
                del changed[at:]
    return bytes(changed)


def mutated_value(value: Any, chance: Random) -> Any:
    """Change one place of a JSON value, however deep."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return chance.choice(HOSTILE)
    if isinstance(value, list):
        at = chance.randrange(len(value))
        again = value[: chance.choice((0, 0, 1))]
        return [*value[:at], mutated_value(value[at], chance), *value[at + 1 :], *again]
    name = chance.choice(sorted(value))
    match chance.randrange(6):
        case 0:
            return {key: item for key, item in value.items() if key != name}
        case 1:
            return value | {chance.choice(["x", "", "\ud800", "format", "a" * 500]): chance.choice(HOSTILE)}
        case _:
            return value | {name: mutated_value(value[name], chance)}


def mutated(parser: Parser, sound: bytes, chance: Random) -> bytes:
    """Change a sound input as bytes, or as JSON in its canonical form where it has one."""
    try:
        value = json.loads(sound)
    except ValueError:
        return mutated_bytes(sound, chance)
    if chance.random() < 0.3:
        return mutated_bytes(sound, chance)
    for _ in range(chance.choice((1, 1, 2))):
        value = mutated_value(value, chance)
    try:
        return canonical.dumps(parser.close(value))
    except (ValueError, RecursionError):
        return json.dumps(value).encode()


def check(parser: Parser, data: bytes, folder: Path) -> None:
    """Parse; anything but a value or one of our errors fails the test."""
    start, told = time.process_time(), "read"
    try:
        parser.parse(data, folder)
    except CounterfoilError as error:
        told = str(error)
    assert 0 < len(told) < 60_000
    assert time.process_time() - start < SECONDS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


fuzzing = settings(
    max_examples=EXAMPLES, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
#: A parser that hoards does so whatever it parses; the long form tries them all.
LARGE = (
    list(PARSERS) if EXAMPLES > 1_000 else ["CSV", "rule set", "checkpoint", "answer of a node", "envelope"]
)
names = pytest.mark.parametrize("name", PARSERS)


@names
def test_a_sound_input_is_read(name: str, folder: Path) -> None:
    """Or a mutation of it would show nothing."""
    parser = PARSERS[name]
    parser.parse(parser.sound(folder), folder)


@names
@fuzzing
@given(chance=st.randoms(use_true_random=False))
def test_a_mutated_input_is_read_or_refused(name: str, folder: Path, chance: Random) -> None:
    parser = PARSERS[name]
    check(parser, mutated(parser, parser.sound(folder), chance), folder)


@names
@fuzzing
@given(data=st.binary(max_size=2_000))
def test_arbitrary_bytes_are_read_or_refused(name: str, folder: Path, data: bytes) -> None:
    check(PARSERS[name], data, folder)


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("chunk", [b"[", b'{"a":', b'"', b"1", b"a,"], ids=repr)
@pytest.mark.parametrize("size", [canonical.MOST_BYTES, canonical.MOST_BYTES + 1])
def test_a_large_input_is_refused_in_bounded_memory(name: str, folder: Path, chunk: bytes, size: int) -> None:
    """16 MiB of what makes parsers recurse, backtrack or hoard; and a byte more."""
    parser = PARSERS[name]
    data = (chunk * (size // len(chunk) + 1))[:size]
    tracemalloc.start()
    check(parser, data, folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * size


@pytest.fixture(scope="module")
def evidence(consortium: SmallConsortium) -> tuple[Trust, dict[str, bytes]]:
    made = {"receipt": consortium.receipt("ALFADEFF"), "disclosure": consortium.disclosure("ALFADEFF")}
    return consortium.trust, {name: item.to_bytes() for name, item in made.items()}


@pytest.mark.parametrize("name", ["receipt", "disclosure"])
@fuzzing
@given(chance=st.randoms(use_true_random=False))
def test_mutated_evidence_is_refused(
    evidence: tuple[Trust, dict[str, bytes]], name: str, folder: Path, chance: Random
) -> None:
    trust, sound = evidence
    parser = Parser(lambda _: sound[name], lambda data, _: verify(data, trust))
    data = mutated(parser, sound[name], chance)
    check(parser, data, folder)
    if data != sound[name]:
        with pytest.raises(CounterfoilError):
            verify(data, trust)
