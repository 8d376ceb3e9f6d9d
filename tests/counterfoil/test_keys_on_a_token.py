"""A bank and a desk whose keys are on a token: everything they sign verifies as any other signature does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import counterfoil
from api.keyholder import create_app
from counterfoil.accounts import PartyAccount
from counterfoil.founding import admit, write_trust
from counterfoil.holders import pseudonymiser_for
from counterfoil.keys import KeyFile, token_key
from counterfoil.officer import append_decision
from ledger.caselog import CaseKind
from ledger.decision import open_decision
from ledger.evaluation_request import chunks, request_root
from ledger.keystore.passphrase import PIN, PassphraseError
from ledger.keystore.token import _OPEN, TokenAccount, TokenCheckpointKey
from ledger.keystore.uri import TokenUri
from ledger.log import OpenedCheckpoint
from ledger.log.published import published_log
from ledger.member.keys import MemberKeys
from tests.support.consortium import EPOCH, ChainProcess, Poster, SmallConsortium, founded
from tests.support.served import served
from tests.support.softhsm import SECRET_PIN, Token, needs_softhsm
from tests.support.witnesses import witnessed

pytestmark = needs_softhsm

BANK = "BRAVFRPP"
START = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(chain: ChainProcess, token: Token, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    """A consortium whose desk signs with a token, and a bank that was admitted with keys made on a token."""
    made = founded(chain, tmp_path_factory.mktemp("token"), banks=["ALFADEFF"])
    desk = KeyFile.of_desk(made.home)
    for name in ("account", "ledger", "verdicts"):
        desk.to_token(name, token.uri(f"desk-{name}"))
    keys = replace(
        MemberKeys.generate(BANK),
        account=token_key("secp256k1", TokenUri.parse(token.uri(f"{BANK}-account"))),
        witness=token_key("ed25519", TokenUri.parse(token.uri(f"{BANK}-witness"))),
    )
    keys.save(made.home.member(BANK).keys)
    made.keys[BANK] = MemberKeys.load(made.home.member(BANK).keys)
    admit(made.home, made.gateway, [made.keys[BANK]])
    bank = Poster(made, BANK)
    bank.fill(20, start=START)
    bank.seal(rows_per_batch=10)
    bank.post()
    made.sync()
    return made


def test_no_secret_of_the_moved_keys_is_in_the_files(made: SmallConsortium) -> None:
    shown = {key.name: key.storage for key in KeyFile.of_desk(made.home).show()}
    assert {shown.pop(name) for name in ("account", "ledger", "verdicts")} == {"token"}
    assert set(shown.values()) == {"plain"}, "keys of readers cannot be on a token"
    assert isinstance(made.desk_keys.account, TokenAccount)
    assert isinstance(made.desk_keys.ledger, TokenCheckpointKey)
    bank = {key.name: key.storage for key in KeyFile.of_member(made.home, BANK).show()}
    assert bank == {"account": "token", "witness": "token", "hpke": "plain", "x25519": "plain"}


def test_the_admission_is_in_the_trust_file_and_verifies(made: SmallConsortium) -> None:
    write_trust(made.home, made.gateway)
    member = next(member for member in made.trust.members if member.agent == BANK)
    assert member.account == bytes.fromhex(made.keys[BANK].address[2:])
    assert member.witness_key == made.keys[BANK].witness_public
    assert len(member.signature) == 65


def test_batches_are_posted_and_their_author_is_the_account(made: SmallConsortium) -> None:
    posted = Poster(made, BANK).on_chain()
    assert [batch.header.row_count for batch in posted] == [10, 10]
    for batch in posted:
        batch.header.check_author(batch.signature, made.gateway.deployment.genesis)


def test_checkpoints_receipts_and_disclosures_verify_offline(made: SmallConsortium) -> None:
    for name in ("ledger", "verdicts"):
        checkpoint = (made.home.desk.public / name / "checkpoint").read_bytes()
        assert counterfoil.verify(checkpoint, made.trust)
        origin = {
            "ledger": made.trust.deployment.ledger_origin,
            "verdicts": made.trust.deployment.verdict_origin,
        }
        assert published_log(made.home.desk.public, name, made.trust.policy, origin[name])
    assert counterfoil.verify(made.receipt(BANK).to_bytes(), made.trust)
    disclosure = made.disclosure(BANK)
    assert disclosure.signer(made.gateway.deployment.domain("BatchLedger")) == bytes.fromhex(
        made.keys[BANK].address[2:]
    )
    assert counterfoil.verify(disclosure.to_bytes(), made.trust)


def test_the_witness_cosigns(made: SmallConsortium, tmp_path: Path) -> None:
    with witnessed(made, tmp_path, banks=[BANK], quorum=1) as witnesses:
        witnesses[BANK].require_ready()
        report = made.sync()
    assert [(log.cosigned_by, log.problem) for log in report.logs] == [((BANK,), None)] * 2
    write_trust(made.home, made.gateway)
    proven = counterfoil.verify((made.home.desk.public / "ledger" / "checkpoint").read_bytes(), made.trust)
    assert isinstance(proven, OpenedCheckpoint)
    assert [name for name, _ in proven.cosigned_by] == [BANK]


def test_requests_to_the_key_holder_are_signed(made: SmallConsortium) -> None:
    keys, gateway = made.keys[BANK], made.gateway
    with served(create_app(made.holder().holder(), ready=lambda: None)) as url:
        pseudonymiser = pseudonymiser_for(made.home, keys, gateway.epochs()[0], [url])
        blinded = pseudonymiser.blind(["iban:DE89370400440532013000"])
        root = request_root([blinded[0].element])
        gateway.transact(keys.account, "EvaluationLog", "request", EPOCH, 1, root)
        number = gateway.evaluation_number(gateway.member(keys.address).code, root)
        (part,) = chunks(number, [blinded[0].element])
        ((_, (found,)),) = pseudonymiser.evaluate([(part, blinded)])
        assert len(found.pseudonyms) == 1
        pseudonymiser.close()


def test_an_officer_decides_with_a_token_and_opens_older_decisions_still(
    made: SmallConsortium, token: Token
) -> None:
    before = PartyAccount.load(made.home.officer(1), who="officer 1")
    file = KeyFile.of_officer(made.home, 1)
    append_decision(made.gateway, before.key, b"\x01" * 32, "suspicious", "by a key in memory")
    file.to_token("account", token.uri("officer-1"))
    after = PartyAccount.load(made.home.officer(1), who="officer 1")
    assert isinstance(after.key, TokenAccount)
    assert after.reader == before.reader
    append_decision(
        made.gateway,
        after.key,
        b"\x02" * 32,
        "not_suspicious",
        "by a token",
        reader_key=after.reader,
    )
    author = after.key.address
    own = [e for e in made.gateway.case_entries() if e.kind == CaseKind.DECISION and e.author == author]
    key = after.reader
    assert key is not None
    decisions = [open_decision(e.payload, e.case_id, e.author, e.content_hash, [key]) for e in own]
    assert [decision.reason for decision in decisions] == ["by a key in memory", "by a token"]


def test_a_wrong_pin_posts_nothing_and_loses_nothing(made: SmallConsortium) -> None:
    bank = Poster(made, BANK)
    before = len(bank.on_chain())
    bank.fill(5, start=START, first=500)
    _OPEN.close()
    PIN.use("0000-wrong")
    try:
        with pytest.raises(PassphraseError, match="refuses the PIN"):
            bank.seal()
    finally:
        PIN.use(SECRET_PIN)
    assert len(bank.on_chain()) == before
    assert bank.seal().rows == 5
    assert bank.post() == 1
    assert len(bank.on_chain()) == before + 1
