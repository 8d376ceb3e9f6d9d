"""Pseudonyms: one per identifier and epoch, however it is spelt, and only from the key on chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.encoding import oprf
from ledger.encoding.answers import Answer
from ledger.encoding.evaluation import PROOF_BATCH, EpochKey, check_pseudonym
from ledger.encoding.identifiers import normalise_identifier
from ledger.encoding.oprf import ProofError
from ledger.encoding.pseudonym import Pseudonymiser
from ledger.encoding.ristretto import ElementError
from ledger.errors import InputError
from ledger.evaluation_request import CHUNK, Chunk
from tests.support.pseudonyms import MemoryHolder, evaluated, proof_in, single_holder, values

SECRET, PUBLIC = oprf.derive_key_pair(bytes(32), b"pseudonym tests")
IDENTIFIERS = [
    "iban:DE89370400440532013000",
    "acct:EXAMPLEXXX:0012 34-5",
    "lei:529900T8BM49AURSDO55",
    "person:nino:QQ123456C",
]


def holder_of(secret: bytes = SECRET, claimed: bytes = PUBLIC) -> MemoryHolder:
    return MemoryHolder(secret, claimed)


def prf(identifiers: Sequence[str]) -> list[bytes]:
    return [oprf.prf(SECRET, identifier.encode())[:16] for identifier in identifiers]


def test_a_pseudonym_is_the_truncated_prf_of_the_identifier() -> None:
    assert values(Pseudonymiser(single_holder(holder_of(), 1, PUBLIC)), IDENTIFIERS) == prf(IDENTIFIERS)


@settings(max_examples=20)
@given(st.lists(st.sampled_from(IDENTIFIERS), max_size=12))
def test_repeats_are_asked_for_once_and_order_is_kept(identifiers: list[str]) -> None:
    holder = holder_of()
    result = values(Pseudonymiser(single_holder(holder, 1, PUBLIC)), identifiers)
    distinct = list(dict.fromkeys(identifiers))
    assert result == prf(distinct)
    assert sum(holder.requests) == len(distinct)


@pytest.mark.parametrize("count", [1, PROOF_BATCH, CHUNK + PROOF_BATCH + 3])
def test_neighbours_share_an_evaluation_that_proves_each_of_them(count: int) -> None:
    """Also to someone who knows only the epoch's public key."""
    identifiers = [f"acct:BANK:{number:04}" for number in range(count)]
    batches = evaluated(Pseudonymiser(single_holder(holder_of(), 4, PUBLIC)), identifiers)
    assert [len(batch.pseudonyms) for batch in batches] == [
        len(part) for start in range(0, count, CHUNK)
        for part in batched(identifiers[start : start + CHUNK])
    ]  # fmt: skip
    assert [made.identifier for batch in batches for made in batch.pseudonyms] == identifiers
    keys = {(4, 0): EpochKey(4, 0, PUBLIC)}
    for evaluation, pseudonyms in batches:
        for element, (identifier, value, blind) in enumerate(pseudonyms):
            check_pseudonym(identifier, value, evaluation, element, blind, keys)


def test_the_batches_of_an_independent_holder_prove_the_same(oracle: Any) -> None:
    whole = oracle.Evaluator.from_seed(bytes(32), b"pseudonym tests")

    class Independent(MemoryHolder):
        def evaluate(self, epoch: int, generation: int, chunk: Chunk) -> Answer:
            answer = super().evaluate(epoch, generation, chunk)
            blinded, proofs = chunk.elements, []
            for start in range(0, len(blinded), PROOF_BATCH):
                part = slice(start, start + PROOF_BATCH)
                batch = whole.evaluate_batch(
                    [oracle.BlindedInput.deserialize(item) for item in blinded[part]]
                )
                proofs.append(proof_in(batch.serialize(), b"".join(answer.elements[part])))
            assert proofs != answer.proofs
            return Answer(answer.elements, proofs)

    identifiers = [f"acct:BANK:{number}" for number in range(2 * PROOF_BATCH + 1)]
    batches = evaluated(Pseudonymiser(single_holder(Independent(SECRET), 1, PUBLIC)), identifiers)
    for evaluation, pseudonyms in batches:
        for element, (identifier, value, blind) in enumerate(pseudonyms):
            check_pseudonym(identifier, value, evaluation, element, blind, {(1, 0): EpochKey(1, 0, PUBLIC)})
            assert value == whole.evaluate_known_input(identifier.encode())[:16]


def batched(items: list[str]) -> list[list[str]]:
    return [items[start : start + PROOF_BATCH] for start in range(0, len(items), PROOF_BATCH)]


def test_large_inputs_travel_in_requests_and_processes_change_nothing() -> None:
    identifiers = [f"acct:BANK:{number}" for number in range(2 * CHUNK + 7)]
    alone, shared = holder_of(), holder_of()
    result = values(Pseudonymiser(single_holder(alone, 1, PUBLIC)), identifiers)
    assert alone.requests == [CHUNK, CHUNK, 7]
    assert len(set(result)) == len(identifiers)
    spread = Pseudonymiser(single_holder(shared, 1, PUBLIC))
    assert values(spread, identifiers, processes=2) == result
    assert shared.requests == [CHUNK, CHUNK, 7]
    liar = Pseudonymiser(single_holder(holder_of(oprf.generate_key()), 1, PUBLIC))
    with pytest.raises(ProofError):
        evaluated(liar, identifiers, processes=2)
    for started in (spread, liar):
        started.close()
    assert values(spread, identifiers[:1], processes=2) == result[:1]
    spread.close()


def test_a_holder_of_another_key_is_refused_before_it_is_asked() -> None:
    secret = oprf.generate_key()
    holder = MemoryHolder(secret)
    with pytest.raises(ProofError, match="public key for epoch 7 differs"):
        evaluated(Pseudonymiser(single_holder(holder, 7, PUBLIC)), IDENTIFIERS)
    assert holder.requests == []


def test_a_holder_that_lies_about_its_key_is_caught_by_the_proof() -> None:
    liar = holder_of(oprf.generate_key())
    with pytest.raises(ProofError, match="not computed with the private key"):
        evaluated(Pseudonymiser(single_holder(liar, 1, PUBLIC)), IDENTIFIERS)


ALTERED: dict[str, Callable[[Answer], Answer]] = {
    "an element less": lambda answer: Answer(answer.elements[:-1], answer.proofs),
    "a whole batch less": lambda answer: Answer(answer.elements[:PROOF_BATCH], answer.proofs[:1]),
    "an element more": lambda answer: Answer([*answer.elements, answer.elements[0]], answer.proofs),
    "a proof less": lambda answer: Answer(answer.elements, answer.proofs[:-1]),
    "a proof more": lambda answer: Answer(answer.elements, [*answer.proofs, answer.proofs[0]]),
    "nothing": lambda answer: Answer([], []),
    "proofs exchanged": lambda answer: Answer(answer.elements, answer.proofs[::-1]),
    "batches exchanged": lambda answer: Answer(answer.elements[::-1], answer.proofs[::-1]),
    "one proof for two batches": lambda answer: Answer(answer.elements, answer.proofs[:1] * 2),
}


@pytest.mark.parametrize("kind", ALTERED)
def test_an_altered_answer_is_refused(kind: str) -> None:
    class Altering(MemoryHolder):
        def evaluate(self, epoch: int, generation: int, chunk: Chunk) -> Answer:
            return ALTERED[kind](super().evaluate(epoch, generation, chunk))

    identifiers = [f"acct:BANK:{number}" for number in range(2 * PROOF_BATCH)]
    with pytest.raises(ProofError):
        evaluated(Pseudonymiser(single_holder(Altering(SECRET), 1, PUBLIC)), identifiers)


def test_no_identifiers_need_no_holder() -> None:
    holder = holder_of(claimed=bytes(32))
    assert evaluated(Pseudonymiser(single_holder(holder, 1, PUBLIC)), []) == []
    assert holder.requests == []


def test_the_epoch_key_must_be_a_key() -> None:
    with pytest.raises(ElementError):
        Pseudonymiser(single_holder(holder_of(), 1, bytes(32)))


def test_one_malformed_identifier_costs_no_evaluation() -> None:
    holder = holder_of()
    with pytest.raises(InputError):
        evaluated(Pseudonymiser(single_holder(holder, 1, PUBLIC)), [*IDENTIFIERS, "DE89370400440532013000"])
    assert holder.requests == []


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_the_normal_form_is_a_fixed_point(identifier: str) -> None:
    assert normalise_identifier(identifier) == identifier


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("IBAN: de89 3704 0044 0532 0130 00 ", "iban:DE89370400440532013000"),
        ("iban:GB82\u00a0WEST 1234 5698 7654 32", "iban:GB82WEST12345698765432"),
        ("lei:529900t8bm49aursdo55", "lei:529900T8BM49AURSDO55"),
        ("acct:examplexxx: 0012 34-5", "acct:EXAMPLEXXX:0012 34-5"),
        ("acct:B:a:b", "acct:B:a:b"),
        ("Person:NINO:QQ123456C", "person:nino:QQ123456C"),
        ("person:x:Jose\u0301", "person:x:Jos\u00e9"),
    ],
)
def test_spellings_of_one_identifier_meet(text: str, normal: str) -> None:
    assert normalise_identifier(text) == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DE89370400440532013000",
        "iban:",
        "iban:DE88370400440532013000",
        "iban:DE8937040044053201300Ä",
        "iban:DE٨٩370400440532013000",
        "lei:529900T8BM49AURSDO56",
        "lei:529900T8BM49AURSDO5",
        "acct:BANK",
        "acct:BANK:",
        "acct::123",
        "acct:BA NK:123",
        "acct:BANK:1\n2",
        "person:x",
        "person::x",
        "person:x: ",
        "phone:123",
        "acct:BANK:\ud800",
        "acct:BANK:" + "9" * 1100,
    ],
)
def test_malformed_identifiers_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError) as caught:
        normalise_identifier(text)
    number = text.rpartition(":")[2].strip()
    assert len(number) < 6 or number not in str(caught.value)


@given(st.text(max_size=40), st.sampled_from(["", "iban:", "acct:B:", "lei:", "person:x:"]))
def test_normalising_twice_changes_nothing(text: str, prefix: str) -> None:
    try:
        once = normalise_identifier(prefix + text)
    except InputError:
        return
    assert normalise_identifier(once) == once
