"""What the desk's log and an error show of a disclosure with a name and an IBAN: nothing.

The attacker is whoever reads logs, screens and tickets, such as the desk's host. It would have learnt whose
account the disclosure is about, although it is no recipient. A bank posts a row of a person; its disclosure
is changed everywhere, signed again by the bank where it can be, verified, and sent to the desk.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.desk import create_app
from counterfoil.tokens import issue
from ledger import canonical
from ledger.audit.trust import Trust
from ledger.audit.verify import Verifier
from ledger.errors import CounterfoilError, VerificationError
from ledger.schema import FIELDS
from tests.support.attacks import merge, sign_json
from tests.support.consortium import ChainProcess, SmallConsortium, founded, run_everything
from tests.support.mutations import mutated_bytes, mutated_json, places
from tests.support.rows import BANKS, Book, row

NAME, IBAN, NUMBER = "Anna Beispielfrau", "DE89370400440532013000", "370400440532013000"
#: What may stand nowhere, in any case and any of the usual encodings.
SECRETS = ("beispielfrau", IBAN.lower(), NUMBER, "37040044", "anna_beispiel")
JSON = {"content-type": "application/json"}
BANK = BANKS[0]


@dataclass
class Case:
    """A disclosure about a person, the bank that can sign it, and the desk that verifies it."""

    consortium: SmallConsortium
    sound: bytes
    client: TestClient
    log: io.StringIO
    headers: dict[str, str]

    @cached_property
    def trust(self) -> Trust:
        """The pinned file."""
        return self.consortium.trust

    def signed(self, value: dict[str, Any]) -> bytes:
        """Return a disclosure that the bank signed, whatever it says."""
        domain = self.trust.deployment.domain("BatchLedger")
        return sign_json(value, domain, self.consortium.keys[BANK].account)


@pytest.fixture(scope="module")
def case(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    made = founded(chain, tmp_path_factory.mktemp("personal"), banks=BANKS[:2])
    about = {
        "debtor_account": f"iban:{IBAN}",
        "party_id": f"person:xx-tin:{NAME}",
        "on_behalf_of": f"person:xx-tin:of {NAME}",
        "purpose": f"salary of {NAME}",
        "transaction_id": f"{NAME} 1",
    }
    start = datetime.now(UTC) - timedelta(days=5)
    rows = [row(n, start, BANK, BANKS[1], bank=BANK) for n in range(3)]
    run_everything(made, Book({BANK: [rows[0] | about, *rows[1:]], BANKS[1]: []}))
    index = next(n for n in range(3) if NAME in str(made.record(BANK, n).values))
    log = io.StringIO()
    token = issue(made.home, "auditor", "the auditor")
    with TestClient(create_app(made.home, chain=made.url, log=log), raise_server_exceptions=False) as client:
        sound = made.disclosure(BANK, FIELDS, index, recipient=NAME).to_bytes()
        yield Case(made, sound, client, log, {**JSON, "Authorization": f"Bearer {token}"})


def shown(text: str) -> list[str]:
    """Return the secrets that a text shows, as they are, without spaces, in hex or in base64."""
    lower = text.lower()
    forms = {secret: (secret, secret.encode().hex()) for secret in SECRETS}
    found = [secret for secret, spelled in forms.items() if any(one in lower for one in spelled)]
    return found + [s for s in (NAME, IBAN) if base64.b64encode(s.encode()).decode()[:12] in text]


def told(error: BaseException | None) -> str:
    """Return everything that an error says, also through the errors that caused it."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error.args), *(str(getattr(error, name, "")) for name in _PARTS)]
        error = error.__cause__
    return "\n".join(texts)


_PARTS = ("what", "where", "next_step", "expected", "got")


@pytest.fixture(scope="module")
def everywhere(case: Case) -> list[bytes]:
    """The document with the name and the IBAN in each of its places."""
    return list(placed(case))


def placed(case: Case) -> Iterator[bytes]:
    """Put the name and the IBAN into every place of the document, as value and as name of a field."""
    value, chosen = canonical.loads(case.sound), Random(1)
    for path in places(value):
        held = value
        for step in path:
            held = held[step]
        news = [NAME, IBAN, int(NUMBER[:15]), int(NUMBER + "00"), {NAME: IBAN}, [IBAN], f"{NAME}\n\n{IBAN}\n"]
        if isinstance(held, dict):
            names = (NAME, IBAN, f"{NAME}`, {IBAN}", "iban:" + IBAN.lower())
            news += [held | {name: IBAN} for name in names]
        count = 1 if "path" in path[:-1] else 3  # the hashes of Merkle paths are many, and all alike
        for new in chosen.sample(news, count) if path else ():
            yield from forms(case, merge(value, path, new))
    for name in ("ledger_proof", "verdict_proof"):
        lines = value["receipt"][name].split("\n")
        for at, line in enumerate(lines):
            for new in (NAME, f"{line} {IBAN}", line.replace("counterfoil", IBAN), NUMBER):
                changed = "\n".join((*lines[:at], new, *lines[at + 1 :]))
                yield case.signed(merge(value, ("receipt", name), changed))


def forms(case: Case, value: Any) -> Iterator[bytes]:
    """Return a changed document, as it is and signed again, if it can be signed."""
    try:
        yield canonical.dumps(value)
        yield case.signed(value)
    except Exception:  # no canonical form, or nothing to sign: it is sent as JSON
        yield json.dumps(value).encode()


def mutants(case: Case, count: int) -> Iterator[bytes]:
    """Change the document at random; half of the changes are signed by the bank."""
    others = [case.sound, case.consortium.disclosure(BANK, FIELDS, 1).to_bytes()]
    for number in range(count):
        chosen = Random(f"personal {number}")
        if chosen.random() < 0.2:
            yield mutated_bytes(case.sound, chosen)
            continue
        made = mutated_json(case.sound, chosen, others, spared="receipt")
        try:
            yield case.signed(canonical.loads(made))
        except (CounterfoilError, KeyError, TypeError, AttributeError):
            yield made


def refusal(verifier: Verifier, data: bytes) -> VerificationError | None:
    try:
        verifier.verify(data)
    except VerificationError as error:
        return error
    return None


def test_no_error_of_verification_shows_the_person(case: Case, everywhere: list[bytes]) -> None:
    verifier, refused = Verifier(case.trust), 0
    assert verifier.verify(case.sound).recipient == NAME
    leaks = set()
    for data in (*everywhere, *mutants(case, 300)):
        error = refusal(verifier, data)
        if error is not None:
            refused += 1
            leaks |= {(error.what, secret) for secret in shown(told(error))}
    assert leaks == set()
    assert refused > 1_000


def test_neither_log_nor_answer_shows_the_person(case: Case, everywhere: list[bytes]) -> None:
    answer = case.client.post("/v1/verify", content=case.sound, headers=case.headers)
    assert answer.status_code == 200, answer.text
    chosen = Random(7)
    sent = chosen.sample(everywhere, 150) + list(mutants(case, 150))
    before = case.log.tell()
    for data in sent:
        answer = case.client.post("/v1/verify", content=data, headers=case.headers)
        if answer.status_code != 200:
            assert answer.status_code in (413, 422), answer.text
            assert shown(answer.text) == []
    assert case.log.tell() > before
    assert shown(case.log.getvalue()) == []


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (NAME.encode(), {}), (f'{{"{NAME}":"{IBAN}"}}'.encode(), {}), (f'"{IBAN}"'.encode(), {}),
        (f"{NUMBER}00".encode(), {}), (f'{{"format":"counterfoil/{NAME}/1"}}'.encode(), {}),
        (f'{{"format":"{IBAN}"}}'.encode(), {}), (NAME.encode("utf-16"), {}),
        (f'{{"x":{NUMBER}{NUMBER}}}'.encode(), {}), (b"{}", {"content-type": f"text/{IBAN}"}),
    ],
)  # fmt: skip
def test_what_is_no_proof_is_not_repeated(case: Case, content: bytes, headers: dict[str, str]) -> None:
    answer = case.client.post("/v1/verify", content=content, headers=case.headers | headers)
    assert answer.status_code in (415, 422)
    assert shown(answer.text) == []
    assert shown(case.log.getvalue()) == []


def test_a_trust_file_error_shows_no_value_of_a_proof(case: Case, tmp_path: Path) -> None:
    """A bank is named in a trust file; a proof's content never gets there."""
    value = canonical.loads(case.trust.to_bytes())
    (tmp_path / "trust.json").write_bytes(canonical.dumps(value | {IBAN: NAME}))
    with pytest.raises(CounterfoilError) as caught:
        Trust.load(tmp_path / "trust.json")
    assert shown(told(caught.value)) == []
