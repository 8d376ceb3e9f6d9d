"""An auditor of key ceremonies, written from docs/formats.md alone: libsodium, HKDF and AES, no code of ours.

It computes the identifier, checks every proof, opens the shares, and comes to the same result.
"""

from __future__ import annotations

from hashlib import sha256, sha512
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.encoding.ceremony import BadShareError, judge_complaint, receive, result_hash
from tests.support.ceremonies import Held, generate, reshare

rbcl = pytest.importorskip("rbcl")
NAME = b"counterfoil/key-ceremony/1"
ORDER = 2**252 + 27742317777372353535851937790883648493


def scalar(number: int) -> bytes:
    return (number % ORDER).to_bytes(32, "little")


def number(data: bytes) -> int:
    value = int.from_bytes(data, "little")
    assert len(data) == 32
    assert 0 < value < ORDER
    return value


def total(terms: list[tuple[int, bytes]]) -> bytes:
    """The sum of points, each multiplied."""
    points = [rbcl.crypto_scalarmult_ristretto255(scalar(factor), point) for factor, point in terms]
    first, *rest = points
    for point in rest:
        first = rbcl.crypto_core_ristretto255_add(first, point)
    return bytes(first)


class Description:
    """The description as plain values, and its identifier."""

    def __init__(self, held: Held) -> None:
        told = held.ceremony
        self.threshold, self.keys, self.dealers = told.threshold, told.holders, told.dealers
        self.old = None if told.old is None else (told.old.share_commitments or (told.old.public_key,))
        data = NAME + b"/description\0" + bytes([1 if told.old is None else 2])
        data += told.chain_id.to_bytes(8, "big") + told.contract + told.epoch.to_bytes(4, "big")
        data += told.generation.to_bytes(2, "big") + told.attempt.to_bytes(4, "big")
        data += bytes([told.threshold, len(told.holders)]) + b"".join(told.holders)
        data += bytes([len(told.dealers), *told.dealers])
        if told.old is not None and self.old is not None:
            data += told.old.generation.to_bytes(2, "big") + told.old.public_key
            data += bytes([len(self.old)]) + b"".join(self.old)
        self.id = sha256(data).digest()


class Parsed:
    """A contribution, cut into its fields; its proofs are checked."""

    def __init__(self, described: Description, dealer: int, data: bytes) -> None:
        t, n = described.threshold, len(described.keys)
        assert len(data) == 196 + 32 * t + 48 * n
        assert data[:36] == bytes([1]) + described.id + bytes([dealer, t, n])
        self.described, self.dealer = described, dealer
        self.commitments = [data[36 + 32 * k : 68 + 32 * k] for k in range(t)]
        rest = data[36 + 32 * t :]
        self.ephemeral = rest[64:96]
        self.sealed = [rest[160 + 48 * j : 208 + 48 * j] for j in range(n)]
        self.check(self.commitments[0], rest[:64], b"/constant\0")
        self.check(self.ephemeral, rest[96:160], b"/ephemeral\0")
        if described.old is not None:
            assert self.commitments[0] == described.old[dealer - 1]

    def check(self, public: bytes, proof: bytes, label: bytes) -> None:
        challenge, response = number(proof[:32]), number(proof[32:])
        base = rbcl.crypto_scalarmult_ristretto255_base(scalar(response))
        made = rbcl.crypto_core_ristretto255_add(base, total([(challenge, public)]))
        told = NAME + b"/knowledge\0" + self.described.id + bytes([self.dealer]) + label + public + made
        assert int.from_bytes(sha512(told).digest(), "little") % ORDER == challenge

    def open(self, receiver: int, point: bytes) -> int:
        info = NAME + b"/share\0" + self.described.id + bytes([self.dealer, receiver])
        info += self.ephemeral + self.described.keys[receiver - 1]
        derived = HKDF(SHA256(), length=44, salt=None, info=info).derive(point)
        return number(AESGCM(derived[:32]).decrypt(derived[32:], self.sealed[receiver - 1], None))


def lagrange(dealers: tuple[int, ...], one: int) -> int:
    value = 1
    for other in dealers:
        if other != one:
            value = value * other * pow(other - one, -1, ORDER) % ORDER
    return value


def made(kind: str) -> Held:
    first = generate(3, 4)
    return first if kind == "generate" else reshare(first.key, first.shares, (1, 2, 4), 2, 3)


@pytest.mark.parametrize("kind", ["generate", "reshare"])
def test_a_second_program_comes_to_the_same_key_and_the_same_shares(kind: str) -> None:
    held = made(kind)
    described = Description(held)
    assert described.id == held.ceremony.id
    parsed = {dealer: Parsed(described, dealer, data) for dealer, data in held.contributions.items()}
    weights = {
        dealer: 1 if described.old is None else lagrange(described.dealers, dealer) for dealer in parsed
    }
    coefficients = [
        total([(weights[dealer], one.commitments[k]) for dealer, one in parsed.items()])
        for k in range(described.threshold)
    ]
    shares = []
    for j, secret in held.encryption.items():
        opened = {}
        for dealer, one in parsed.items():
            point = rbcl.crypto_scalarmult_ristretto255(secret, one.ephemeral)
            opened[dealer] = one.open(j, point)
            expected = total([(j**k, commitment) for k, commitment in enumerate(one.commitments)])
            assert rbcl.crypto_scalarmult_ristretto255_base(scalar(opened[dealer])) == expected
        share = sum(weights[dealer] * value for dealer, value in opened.items())
        assert scalar(share) == held.shares[j]
        shares.append(total([(j**k, one) for k, one in enumerate(coefficients)]))
    assert held.key.public_key == coefficients[0]
    assert held.key.share_commitments == tuple(shares)
    said = NAME + b"/result\0" + described.id + coefficients[0] + b"".join(shares)
    assert sha256(said).digest() == result_hash(held.ceremony, held.key)


def test_a_complaint_opens_with_the_point_that_it_reveals(oracle: Any) -> None:
    """The head, the point, and the proof; the proof is RFC 9497's, which the oracle reads."""
    held = made("generate")
    data = bytearray(held.contributions[3])
    data[-1] ^= 1  # the tag of the last receiver's share
    bad = held.with_contribution(3, bytes(data))
    last = len(held.ceremony.holders)
    with pytest.raises(BadShareError) as caught:
        receive(bad.ceremony, bad.contributions, last, bad.encryption[last])
    complaint = caught.value.complaint
    assert len(complaint) == 131
    assert complaint[:35] == bytes([1]) + Description(held).id + bytes([3, last])
    ephemeral = Parsed(Description(held), 3, bytes(data)).ephemeral
    assert complaint[35:67] == rbcl.crypto_scalarmult_ristretto255(held.encryption[last], ephemeral)
    assert oracle.Proof.deserialize(complaint[67:]).serialize() == complaint[67:]
    assert judge_complaint(bad.ceremony, bad.contributions, complaint, last).guilty.index == 3
