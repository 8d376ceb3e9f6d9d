"""The VOPRF against RFC 9497 and RFC 9380, an independent implementation, and dishonest holders."""

from __future__ import annotations

import json
import secrets
from hashlib import sha512
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.encoding import oprf, ristretto
from ledger.encoding.oprf import ProofError
from ledger.encoding.ristretto import ElementError
from ledger.errors import VerificationError
from tests.support.pseudonyms import proof_in, with_proof
from tests.support.vectors import VECTORS, suites

SECRET = bytes.fromhex("e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909")
PUBLIC = oprf.public_key(SECRET)

# RFC 9380, appendix K.3, expand_message_xmd(SHA-512): msg = "" and "abc", len_in_bytes = 0x20.
RFC_9380_DST = b"QUUX-V01-CS02-with-expander-SHA512-256"
RFC_9380 = [
    (b"", "6b9a7312411d92f921c6f68ca0b6380730a1a4d982c507211a90964c394179ba"),
    (b"abc", "0da749f12fbe5483eb066a5f595055679b976e93abe9be6f0f6318bce7aca8dc"),
]


def split(text: str) -> list[bytes]:
    return [bytes.fromhex(part) for part in text.split(",")]


@pytest.mark.parametrize("suite", suites())
def test_rfc_9497_vectors(suite: dict[str, Any]) -> None:
    secret, public = oprf.derive_key_pair(bytes.fromhex(suite["seed"]), bytes.fromhex(suite["keyInfo"]))
    assert (secret.hex(), public.hex()) == (suite["skSm"], suite["pkSm"])
    for vector in suite["vectors"]:
        blinded = [
            oprf.blind(data, scalar)
            for data, scalar in zip(split(vector["Input"]), split(vector["Blind"]), strict=True)
        ]
        assert [item.element for item in blinded] == split(vector["BlindedElement"])
        evaluated, proof = oprf.evaluate(
            secret,
            [item.element for item in blinded],
            proof_scalar=bytes.fromhex(vector["Proof"]["r"]),
        )
        assert evaluated == split(vector["EvaluationElement"])
        assert proof.hex() == vector["Proof"]["proof"]
        assert oprf.finalize(blinded, evaluated, proof, public) == split(vector["Output"])
        assert [oprf.prf(secret, item.input) for item in blinded] == split(vector["Output"])


@pytest.mark.parametrize(("message", "expected"), RFC_9380)
def test_expand_message_published(message: bytes, expected: str) -> None:
    assert oprf.expand_message_xmd(message, RFC_9380_DST, 32).hex() == expected


def test_expand_message_vectors() -> None:
    file = VECTORS / "rfc9380_expand_message_xmd_SHA512_38.json"
    if not file.is_file():
        pytest.skip("the shared RFC 9380 vectors are not beside this checkout")
    suite = json.loads(file.read_text())
    assert len(suite["tests"]) == 10
    for test in suite["tests"]:
        size = int(test["len_in_bytes"], 16)
        result = oprf.expand_message_xmd(test["msg"].encode(), suite["DST"].encode(), size)
        assert result.hex() == test["uniform_bytes"]


def test_expand_message_bounds_and_long_names() -> None:
    long = b"x" * 256
    short = sha512(b"H2C-OVERSIZE-DST-" + long).digest()
    assert oprf.expand_message_xmd(b"m", long, 100) == oprf.expand_message_xmd(b"m", short, 100)
    for size in (0, 255 * 64 + 1):
        with pytest.raises(ValueError):
            oprf.expand_message_xmd(b"", b"d", size)


def test_our_client_agrees_with_an_independent_holder(oracle: Any) -> None:
    holder = oracle.Evaluator.from_seed(bytes(32), b"epoch 3")
    secret, public = oprf.derive_key_pair(bytes(32), b"epoch 3")
    assert holder.public_key.serialize() == public

    inputs = [b"iban:DE89370400440532013000", b"x", *(b"input %d" % number for number in range(15))]
    known = [holder.evaluate_known_input(data) for data in inputs]
    assert known == [oprf.prf(secret, data) for data in inputs]

    blinded = [oprf.blind(data) for data in inputs]
    requests = [oracle.BlindedInput.deserialize(item.element) for item in blinded]
    evaluated = oprf.evaluate(secret, [item.element for item in blinded])[0]
    whole = holder.evaluate_batch(requests).serialize()
    assert oprf.finalize(blinded, evaluated, proof_in(whole, b"".join(evaluated)), public) == known
    for item, request, element, output in zip(blinded, requests, evaluated, known, strict=True):
        proof = proof_in(holder.evaluate(request).serialize(), element)
        assert oprf.finalize([item], [element], proof, public) == [output]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8])
def test_an_independent_client_accepts_the_small_batches_of_our_holder(oracle: Any, count: int) -> None:
    secret, public = oprf.derive_key_pair(bytes(32), b"epoch 3")
    inputs = [b"acct:B:%d" % number for number in range(count)]
    clients, requests = zip(*(oracle.Client.blind(data) for data in inputs), strict=True)
    evaluated, proof = oprf.evaluate(secret, [request.serialize() for request in requests])
    theirs = oracle.Evaluator.from_seed(bytes(32), b"epoch 3").evaluate_batch(list(requests)).serialize()

    def finalized(proof: bytes) -> list[bytes]:
        answer = with_proof(theirs, b"".join(evaluated), proof)
        output = oracle.VerifiableBatchOutput.deserialize(answer)
        return list(oracle.Client.finalize_batch(list(clients), output, oracle.PublicKey.deserialize(public)))

    assert finalized(proof) == [oprf.prf(secret, data) for data in inputs]
    with pytest.raises(BaseException, match="ProofVerification"):
        finalized(oprf.evaluate(oprf.generate_key(), [request.serialize() for request in requests])[1])


def test_an_independent_client_accepts_our_holder(oracle: Any) -> None:
    secret, public = oprf.derive_key_pair(secrets.token_bytes(32), b"")
    client, request = oracle.Client.blind(b"iban:DE89370400440532013000")
    (element,), proof = oprf.evaluate(secret, [request.serialize()])
    theirs = oracle.Evaluator.from_seed(bytes(32), b"").evaluate(request).serialize()
    own = oprf.evaluate(oprf.derive_key_pair(bytes(32), b"")[0], [request.serialize()])[0][0]
    answer = element + proof if theirs.startswith(own) else proof + element
    output = client.finalize(
        oracle.VerifiableOutput.deserialize(answer), oracle.PublicKey.deserialize(public)
    )
    assert output == oprf.prf(secret, b"iban:DE89370400440532013000")


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=6))
def test_blinding_cancels(inputs: list[bytes]) -> None:
    secret = oprf.generate_key()
    blinded = [oprf.blind(data) for data in inputs]
    evaluated, proof = oprf.evaluate(secret, [item.element for item in blinded])
    outputs = oprf.finalize(blinded, evaluated, proof, oprf.public_key(secret))
    assert outputs == [oprf.prf(secret, data) for data in inputs]
    again = [oprf.blind(data) for data in inputs]
    assert all(one.element != two.element for one, two in zip(blinded, again, strict=True))


def answered(count: int = 3) -> tuple[list[oprf.Blinded], list[bytes], bytes]:
    blinded = [oprf.blind(b"input %d" % number) for number in range(count)]
    evaluated, proof = oprf.evaluate(SECRET, [item.element for item in blinded])
    return blinded, evaluated, proof


def test_a_holder_with_another_key_is_caught() -> None:
    blinded, _, _ = answered()
    evaluated, proof = oprf.evaluate(oprf.generate_key(), [item.element for item in blinded])
    with pytest.raises(ProofError, match="not computed with the private key"):
        oprf.finalize(blinded, evaluated, proof, PUBLIC)


def test_one_dishonest_answer_in_a_batch_is_caught() -> None:
    blinded, evaluated, proof = answered()
    for position in range(3):
        bad = list(evaluated)
        bad[position] = ristretto.multiply(oprf.generate_key(), blinded[position].element)
        with pytest.raises(ProofError):
            oprf.finalize(blinded, bad, proof, PUBLIC)
    with pytest.raises(ProofError):
        oprf.finalize(blinded, [evaluated[1], evaluated[0], evaluated[2]], proof, PUBLIC)
    with pytest.raises(ProofError, match="expected 3, got 2"):
        oprf.finalize(blinded, evaluated[:2], proof, PUBLIC)
    with pytest.raises(ProofError):
        oprf.finalize([], [], proof, PUBLIC)


def test_every_flipped_byte_of_an_answer_is_caught() -> None:
    blinded, evaluated, proof = answered(2)
    answer = b"".join(evaluated) + proof + PUBLIC
    for position in range(len(answer)):
        bad = answer[:position] + bytes([answer[position] ^ 1]) + answer[position + 1 :]
        with pytest.raises(VerificationError):
            oprf.finalize(blinded, [bad[:32], bad[32:64]], bad[64:128], bad[128:])
    for bad_proof in (b"", proof[:-1], proof + b"\x00"):
        with pytest.raises(ProofError, match="wrong size"):
            oprf.finalize(blinded, evaluated, bad_proof, PUBLIC)


# RFC 9496, appendix A.3: encodings that must be refused.
BAD_ELEMENTS = {
    "identity": "00" * 32,
    "non-canonical field element": "00" + "ff" * 31,
    "non-canonical, p": "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "negative field element": "0100000000000000000000000000000000000000000000000000000000000000",
    "non-square": "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
    "short": "00" * 31,
    "long": PUBLIC.hex() + "00",
}


@pytest.mark.parametrize("text", BAD_ELEMENTS.values(), ids=BAD_ELEMENTS.keys())
def test_what_is_not_an_element_is_refused_everywhere(text: str) -> None:
    bad = bytes.fromhex(text)
    blinded, evaluated, proof = answered(2)
    with pytest.raises(ElementError):
        ristretto.check_element(bad)
    with pytest.raises(ElementError, match="blinded element 1"):
        oprf.evaluate(SECRET, [blinded[0].element, bad])
    with pytest.raises(ElementError, match="evaluated element 0"):
        oprf.finalize(blinded, [bad, evaluated[1]], proof, PUBLIC)
    with pytest.raises(ElementError, match="public key"):
        oprf.finalize(blinded, evaluated, proof, bad)
    with pytest.raises(ElementError, match="blinded element 0"):
        oprf.verify_proof(PUBLIC, [bad], evaluated[:1], proof)


@pytest.mark.parametrize("value", [0, ristretto.ORDER, ristretto.ORDER + 1, 2**255, 2**256 - 1])
def test_what_is_not_a_scalar_is_refused_everywhere(value: int) -> None:
    bad = value.to_bytes(32, "little")
    blinded, evaluated, proof = answered(1)
    with pytest.raises(ElementError):
        oprf.public_key(bad)
    with pytest.raises(ElementError):
        oprf.blind(b"x", bad)
    with pytest.raises(ElementError):
        oprf.evaluate(bad, [PUBLIC])
    with pytest.raises(ElementError):
        oprf.evaluate(SECRET, [PUBLIC], proof_scalar=bad)
    with pytest.raises(ElementError):
        oprf.prf(bad, b"x")
    for forged in (bad + proof[32:], proof[:32] + bad):
        with pytest.raises(ElementError, match="the proof's"):
            oprf.finalize(blinded, evaluated, forged, PUBLIC)


def test_a_proof_of_one_batch_does_not_serve_another() -> None:
    _, _, proof = answered(1)
    blinded, evaluated, _ = answered(1)
    with pytest.raises(ProofError):
        oprf.finalize(blinded, evaluated, proof, PUBLIC)


def test_bounds() -> None:
    with pytest.raises(ValueError, match="at most 65535"):
        oprf.blind(b"x" * 65536)
    with pytest.raises(ValueError, match="1 to 65535"):
        oprf.evaluate(SECRET, [])
    with pytest.raises(ValueError):
        oprf.derive_key_pair(b"short", b"")


def test_secrets_do_not_show_in_a_traceback() -> None:
    item = oprf.blind(b"iban:DE89370400440532013000")
    assert "DE89" not in repr(item)
    assert item.scalar.hex() not in repr(item)
    assert repr(item.scalar) not in repr(item)
