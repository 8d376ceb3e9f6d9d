"""Mutated proofs: no change of bytes, fields or structure changes what `verify` states, and none crashes it.

Each mutant goes through both programs, `ledger.audit.verify` and the program of docs/formats.md: both refuse
it, or both state what the proof stated before. A mutant has a number, so that it can be made again. `make
mutations` makes 100,000; ``COUNTERFOIL_MUTATIONS`` sets another number.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ledger import canonical
from ledger.audit.bundle import VerifiedBundle, verify_bundle
from ledger.audit.trust import Trust
from ledger.audit.verify import Verifier
from ledger.commitment import merkle
from ledger.encoding.policy import Policy as EncodingPolicy
from ledger.errors import CounterfoilError, VerificationError
from ledger.log import Policy, Proof, open_checkpoint
from ledger.schema import FIELDS
from tests.support.attacks import ALFA, BRAVO, FULL, Full, disclose, post_lying, signed_json
from tests.support.checker import Stated, check_program, stated_by_program, stated_by_verify
from tests.support.evidence import BANKS, POLICY, Consortium
from tests.support.foreign import foreign
from tests.support.mutations import mutated_bytes, mutated_json, mutated_text

pytestmark = pytest.mark.mutations
PROGRAM = check_program()
#: All mutants of this module together.
COUNT = int(os.environ.get("COUNTERFOIL_MUTATIONS", "2000"))
#: Mutants of each kind, of a hundred.
SHARES = {
    "receipt": 28,
    "disclosure": 28,
    "signed": 14,
    "trust": 10,
    "note": 8,
    "proof": 4,
    "policy": 4,
    "bundle": 4,
}
#: Good files, and as many bad ones.
FILES = max(50, COUNT // 100)


@dataclass(eq=False)
class Proofs:
    """Valid proofs of every format, and what verifies them."""

    consortium: Consortium
    receipts: list[bytes]
    disclosures: list[bytes]
    bundles: list[bytes]

    def __post_init__(self) -> None:
        self.trust = self.consortium.trust
        self.trust_file = self.trust.to_bytes()
        self.verifier = Verifier(self.trust)
        self.by_hand = PROGRAM.read_trust(self.trust_file)

    @cache  # noqa: B019 - one object for the module
    def stated(self, data: bytes) -> Stated:
        """Return what both programs state about a valid proof."""
        ours = stated_by_verify(self.verifier.verify(data))
        assert ours == stated_by_program(PROGRAM.check(data, self.by_hand))
        return ours

    def both(self, data: bytes) -> Stated | None:
        """Return what both programs state, None if both refuse; fail if they disagree, or one crashes."""
        try:
            ours = stated_by_verify(self.verifier.verify(data))
        except VerificationError:
            ours = None
        try:
            theirs = stated_by_program(PROGRAM.check(data, self.by_hand))
        except PROGRAM.RefusedError:
            theirs = None
        assert ours == theirs
        return ours


@pytest.fixture(scope="module")
def proofs() -> Proofs:
    made = Consortium()
    made.pseudonym([FULL["party_id"] or "", FULL["on_behalf_of"] or ""])
    nobody = {"party_id": None, "on_behalf_of": None, "uetr": None}
    payments = [Full(n, changed={} if n % 3 else nobody, uetr=bool(n % 3)) for n in range(1, 12)]
    debits, credits = made.post(ALFA, payments), made.post(BRAVO, payments)
    third = made.post(ALFA, [Full(n) for n in range(20, 24)])
    flags = [
        made.anchored_flag(made.flag([debits.ref(0), credits.ref(0)])),
        made.anchored_flag(made.flag([debits.ref(4)], title="layering"), seed=b"\x06" * 32),
    ]
    decided = [made.decide(flags[0][0])]
    rows = [(debits, n) for n in range(11)] + [(credits, n) for n in range(11)] + [(third, 1)]
    told = [disclose(made, *row) for row in rows[::2]]
    told += [
        disclose(made, *row, names=names)
        for row in rows[1:6]
        for names in (FIELDS[:6], FIELDS[5:12], ["amount"])
    ]
    bundles = [
        made.bundle(flags[0], [rows[0], rows[11]], disclosures=told[:1], decisions=decided),
        made.bundle(flags[1], rows[4:5]),
    ]
    return Proofs(
        made,
        [made.receipt(*row).to_bytes() for row in rows],
        [one.to_bytes() for one in told],
        [bundle.to_bytes() for bundle in bundles],
    )


def share(kind: str) -> range:
    """Return the numbers of the mutants of a kind."""
    assert sum(SHARES.values()) == 100
    return range(max(1, COUNT * SHARES[kind] // 100))


def mutants(kind: str, sound: list[bytes], check: Callable[[bytes, bytes], str]) -> None:
    """Make the mutants of a kind, and count what became of them; a failure names the mutant's number."""
    seen: Counter[str] = Counter()
    for number in share(kind):
        chosen = Random(f"{kind} {number}")
        data = chosen.choice(sound)
        if kind != "signed" and chosen.random() < 0.25:
            made = mutated_bytes(data, chosen)
        else:
            made = mutated_json(data, chosen, sound, spared="receipt" if kind == "signed" else "")
        if made != data:
            try:
                seen[check(data, made)] += 1
            except Exception as error:
                raise AssertionError(f"mutant {number} of a {kind}: {error!r}") from error
    assert seen["refused"] > 0
    print(f"{kind}: {dict(seen)}")


@pytest.mark.parametrize("kind", ["receipt", "disclosure"])
def test_a_changed_proof_is_refused_or_states_the_same(proofs: Proofs, kind: str) -> None:
    def check(data: bytes, made: bytes) -> str:
        found = proofs.both(made)
        if found is None:
            return "refused"
        # a part of another valid proof may make that proof
        known = [proofs.stated(one) for one in (data, *sound)]
        assert any(found.is_no_more_than(one) for one in known), "it states something else"
        return "the same"

    sound = proofs.receipts if kind == "receipt" else proofs.disclosures
    mutants(kind, sound, check)


def test_a_changed_disclosure_that_its_bank_signs_again(proofs: Proofs) -> None:
    """A bank may state less, or nothing; what it states of the row is what the row says."""
    consortium = proofs.consortium
    truth = {}
    for posted in consortium.batches:
        for index in range(posted.header.row_count):
            facts = proofs.stated(disclose(consortium, posted, index).to_bytes()).facts
            truth[facts[1:4]] = {name: (value, basis) for name, value, basis in facts[-1]}

    def check(_: bytes, made: bytes) -> str:
        value = canonical.loads(made)
        author = value["receipt"]["header"]["member"]
        bank = next((b for b in BANKS if consortium.address(b).hex() == author), ALFA)
        found = proofs.both(signed_json(consortium, value, bank=bank))
        if found is None:
            return "refused"
        known = truth[found.facts[1:4]]
        for name, value, basis in found.facts[-1]:
            assert (value, basis) in (known[name], (known[name][0], "record"))
        return "stated"

    def signable(data: bytes, made: bytes) -> str:
        try:
            return check(data, made)
        except (CounterfoilError, KeyError, TypeError, AttributeError, ValueError) as error:
            if not _is_disclosure(made):
                return "not signable"
            raise AssertionError("a disclosure crashed") from error

    mutants("signed", proofs.disclosures, signable)


def _is_disclosure(data: bytes) -> bool:
    """Whether the test itself can sign these bytes as a disclosure: it needs the names that it signs."""
    try:
        value = canonical.loads(data)
        texts = (value["purpose"], value["recipient"], value["receipt"]["header"]["member"])
        return all(isinstance(text, str) for text in texts) and bool(canonical.dumps(value))
    except Exception:
        return False


def test_a_changed_trust_file_is_refused_or_proves_the_same(proofs: Proofs, tmp_path: Path) -> None:
    data = proofs.disclosures[0]
    path = tmp_path / "trust.json"
    before = proofs.stated(data)

    def ours(made: bytes) -> Stated | None:
        path.write_bytes(made)
        try:
            return stated_by_verify(Verifier(Trust.load(path)).verify(data))
        except CounterfoilError:
            return None

    def theirs(made: bytes) -> Stated | None:
        try:
            return stated_by_program(PROGRAM.check(data, PROGRAM.read_trust(made)))
        except PROGRAM.RefusedError:
            return None

    def check(_: bytes, made: bytes) -> str:
        found = ours(made)
        assert found == theirs(made)
        assert found is None or found.facts == before.facts
        return "refused" if found is None else "the same"

    others = [Consortium(genesis=bytes([n]) * 32, required=n % 3).trust.to_bytes() for n in range(3)]
    mutants("trust", [proofs.trust_file], check)
    for number in range(len(share("trust")) // 4):
        chosen = Random(f"trust of others {number}")
        check(b"", mutated_json(proofs.trust_file, chosen, others))


def tree_of(proofs: Proofs) -> list[bytes]:
    return [merkle.leaf_hash(entry) for entry in proofs.consortium.ledger_entries]


def test_a_changed_checkpoint(proofs: Proofs) -> None:
    """The ledger's checkpoint, in our program, the documentation's and one of others."""
    tlog = foreign("aics_tlog")
    consortium = proofs.consortium
    origin, policy = consortium.deployment.ledger_origin, consortium.policy
    note = consortium.note("ledger")
    log = tlog.parse_vkey(policy.logs[origin].key.text)
    witnesses = [tlog.parse_vkey(witness.key.text) for witness in policy.witnesses.values()]

    def ours(text: str) -> tuple[int, bytes] | None:
        try:
            head = open_checkpoint(text, policy, origin=origin).checkpoint
        except CounterfoilError:
            return None
        return head.size, head.root

    def documented(text: str) -> tuple[int, bytes] | None:
        try:
            found: tuple[int, bytes] = PROGRAM.open_checkpoint(text, proofs.by_hand["policy"], origin)[:2]
        except PROGRAM.RefusedError:
            return None
        return found

    def theirs(text: str) -> tuple[int, bytes] | None:
        try:
            found = tlog.verify_checkpoint(tlog.parse_note(text), log, witnesses, 2, expected_origin=origin)
        except ValueError:
            return None
        return (found.size, found.root) if found.ok else None

    assert ours(note) == documented(note) == theirs(note)
    assert ours(note) is not None
    kept = 0
    for number in share("note"):
        text = mutated_text(note, Random(f"note {number}"))
        found = ours(text)
        assert found == documented(text), number
        assert found in (None, ours(note)), number
        if found is not None or not _lenient(text):
            assert found == theirs(text), number
        kept += found is not None
    print(f"note: {kept} state the same")


def _lenient(text: str) -> bool:
    """Whether a note has a form that aics-tlog takes and signed-note does not.

    Its last line has no line feed, or a signature line has a key ID and no signature.
    """
    words = [line.rpartition(" ")[2] for line in text.split("\n") if line.startswith("\u2014 ")]
    return not text.endswith("\n") or any(len(word) <= 8 for word in words)


def test_a_changed_proof_of_inclusion(proofs: Proofs) -> None:
    """The proof that an entry is in the ledger log, in three programs."""
    tlog = foreign("aics_tlog")
    consortium = proofs.consortium
    origin, leaves = consortium.deployment.ledger_origin, tree_of(proofs)
    root = merkle.root(leaves)
    for number in share("proof"):
        chosen = Random(f"proof {number}")
        at = chosen.randrange(len(leaves))
        entry = consortium.ledger_entries[at]
        sound = consortium.proof("ledger", at)
        text = mutated_text(sound, chosen) if chosen.random() < 0.5 else _moved(sound, chosen, len(leaves))
        try:
            ours = Proof.parse(text).verify(entry, consortium.policy, origin=origin).checkpoint.size
        except CounterfoilError:
            ours = None
        try:
            policy = proofs.by_hand["policy"]
            documented = PROGRAM.in_log(text, entry, policy, origin)[1][0]
        except PROGRAM.RefusedError:
            documented = None
        assert ours == documented, number
        try:
            parsed = Proof.parse(text)
        except CounterfoilError:
            continue
        said = tlog.verify_inclusion(
            merkle.leaf_hash(entry), parsed.index, len(leaves), list(parsed.path), root
        )
        assert said == _included(entry, parsed, len(leaves), root), number


def _moved(text: str, chosen: Random, size: int) -> str:
    """Change the index or the path of a proof, not its checkpoint."""
    proof = Proof.parse(text)
    path = list(proof.path)
    kind = chosen.randrange(4)
    if kind == 0 or not path:
        return Proof(chosen.randrange(size + 2), proof.path, proof.checkpoint).to_text()
    at = chosen.randrange(len(path))
    if kind == 1:
        del path[at]
    elif kind == 2:
        path.insert(at, path[chosen.randrange(len(path))])
    else:
        path[at] = bytes([path[at][0] ^ 1]) + path[at][1:]
    return Proof(proof.index, tuple(path), proof.checkpoint).to_text()


def _included(entry: bytes, proof: Proof, size: int, root: bytes) -> bool:
    try:
        merkle.verify_inclusion(merkle.leaf_hash(entry), proof.index, size, proof.path, root)
    except VerificationError:
        return False
    return True


def test_a_changed_policy(proofs: Proofs) -> None:
    """Both kinds of policy: of the logs, and of the encoding of amounts and times."""
    note, origin = proofs.consortium.note("ledger"), proofs.consortium.deployment.ledger_origin
    sound = proofs.consortium.policy.text
    more = "".join(
        f"{line}\n" for line in ("group two 2 ALFADEFF BRAVFRPP", "group one any CHARUS33 two", "quorum one")
    )
    sounder = (
        "".join(line + "\n" for line in sound.splitlines() if not line.startswith(("group", "quorum"))) + more
    )
    for number in share("policy"):
        chosen = Random(f"policy {number}")
        text = mutated_text(chosen.choice((sound, sounder)), chosen)
        try:
            ours: Any = {
                name for name, _ in open_checkpoint(note, Policy.parse(text), origin=origin).cosigned_by
            }
        except CounterfoilError:
            ours = None
        try:
            theirs: Any = set(PROGRAM.open_checkpoint(note, PROGRAM.log_policy(text), origin)[2])
        except PROGRAM.RefusedError:
            theirs = None
        assert ours == theirs, number
        changed = mutated_json(POLICY.document, chosen, [POLICY.document])
        try:
            read: Any = EncodingPolicy.from_document(changed)
        except CounterfoilError:
            read = None
        try:
            checked: Any = PROGRAM.check_policy(changed.decode("utf-8", "replace"))
        except PROGRAM.RefusedError:
            checked = None
        assert (read is None) == (checked is None), number


def test_a_changed_bundle_states_nothing_new(proofs: Proofs) -> None:
    sound = [verify_bundle(data, proofs.trust) for data in proofs.bundles]

    def check(_: bytes, made: bytes) -> str:
        try:
            found = verify_bundle(made, proofs.trust)
        except CounterfoilError:
            return "refused"
        assert any(_states_no_more(found, one) for one in sound)
        return "no more"

    mutants("bundle", proofs.bundles, check)


def _states_no_more(found: VerifiedBundle, known: VerifiedBundle) -> bool:
    rows = {row.ref: row for row in known.rows}
    for row in found.rows:
        other = rows.get(row.ref)
        if other is None or row.proven not in (None, other.proven):
            return False
        if not set(map(_facts, row.disclosures)) <= set(map(_facts, other.disclosures)):
            return False
    return found.flag in (None, known.flag) and all(one in known.decisions for one in found.decisions)


def _facts(proven: Any) -> tuple[Any, ...]:
    return stated_by_verify(proven).facts


def test_both_programs_agree_on_good_and_bad_files(proofs: Proofs) -> None:
    """Good: honest rows, any fields, with and without proofs. Bad: rows whose record says something else."""
    chosen = Random("files")
    good = bad = 0
    consortium = proofs.consortium
    while good < FILES:
        posted = chosen.choice(consortium.batches)
        index = chosen.randrange(posted.header.row_count)
        names = chosen.sample(FIELDS, chosen.randrange(len(FIELDS) + 1))
        made = disclose(consortium, posted, index, names, proofs=chosen.random() < 0.8).to_bytes()
        made = consortium.receipt(posted, index).to_bytes() if chosen.random() < 0.2 else made
        assert proofs.both(made) is not None
        good += 1
    liars = Consortium()
    file = Proofs(liars, [], [], [])
    while bad < FILES:
        name = chosen.choice(_CONTRADICTED)
        posted = post_lying(liars, Full(bad % 30 + 1), {name: _other_value(name, chosen)})
        others = chosen.sample([n for n in FIELDS if n != name], 3)
        assert file.both(disclose(liars, posted, names=[name, *others]).to_bytes()) is None, name
        if bad % 20 == 0:  # a log that grows makes each proof slower
            liars.ledger_entries.clear()
            liars.verdict_entries.clear()
            liars.batches.clear()
        bad += 1
    print(f"{good} good files, {bad} bad files")


_CONTRADICTED = [name for name in FIELDS if name not in ("transaction_id", "purpose")]


def _other_value(name: str, chosen: Random) -> str | None:
    """Return a value that the row contradicts."""
    number = chosen.randrange(1000, 9999)
    values: dict[str, list[str | None]] = {
        "uetr": [f"{number:08d}-0000-4000-8000-000000000000"],
        "timestamp": ["2027-03-02T09:01:00Z", "2026-03-02", None, "x"],
        "business_date": ["2026-03-03", "2026-3-2", "x"],
        "debtor_agent": ["CHARUS33", None, "alfadeff"],
        "creditor_agent": ["CHARUS33", None, "BRAVFRP"],
        "debtor_account": [f"acct:ALFADEFF:{number}", None],
        "creditor_account": [f"acct:BRAVFRPP:{number}", None],
        "party_id": [f"person:xx-tin:{number}9", None],
        "on_behalf_of": [f"person:xx-tin:{number}9", None],
        "party_type": ["business", None, "PERSON", "unknown"],
        "amount": [f"{number}000.00", None, "9500", "9500.000", "-1.00"],
        "currency": ["USD", None, "eur", "XXX"],
        "channel": ["cash", None, "WIRE", "unknown"],
        "debtor_country": ["FR", None, "de"],
        "creditor_country": ["DE", None, "ZZ"],
        "exempt": ["false", None, "1"],
    }
    return chosen.choice(values.get(name, ["true", "maybe", ""]))
