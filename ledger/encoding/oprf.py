"""The verifiable oblivious pseudorandom function of RFC 9497: VOPRF mode, ristretto255-SHA512.

A client blinds its input. The key holder evaluates the blinded point, and proves with one DLEQ proof per
batch that it used the private key of its public key. The client removes the blind. The holder never learns
the input, and the client cannot evaluate without the holder.

The group is `ledger.encoding.ristretto`.

References
----------
.. [1] RFC 9497, Oblivious Pseudorandom Functions Using Prime-Order Groups.
.. [2] RFC 9496, The ristretto255 and decaf448 Groups.
.. [3] RFC 9380, section 5.3.1, expand_message_xmd.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha512
from hmac import compare_digest

from ledger.encoding import ristretto
from ledger.encoding.ristretto import SCALAR_SIZE, check_element, check_scalar
from ledger.errors import VerificationError

__all__ = [
    "MAX_BATCH",
    "MAX_INPUT",
    "PROOF_SIZE",
    "Blinded",
    "ProofError",
    "blind",
    "derive_key_pair",
    "evaluate",
    "evaluate_with_composite",
    "expand_message_xmd",
    "finalize",
    "generate_key",
    "hash_to_group",
    "hash_to_scalar",
    "prf",
    "public_key",
    "unblind",
    "verify_proof",
    "verify_with_composite",
]

PROOF_SIZE = 64
#: The lengths of inputs and batches are encoded in two bytes.
MAX_INPUT = 2**16 - 1
MAX_BATCH = 2**16 - 1

_CONTEXT = b"OPRFV1-\x01-ristretto255-SHA512"
_GROUP_DST = b"HashToGroup-" + _CONTEXT
_SCALAR_DST = b"HashToScalar-" + _CONTEXT
_DERIVE_DST = b"DeriveKeyPair" + _CONTEXT
_SEED_DST = b"Seed-" + _CONTEXT
#: SHA-512 of a block of zeros, with which each message begins.
_PADDED = sha512(bytes(128))


class ProofError(VerificationError):
    """Raised when the proof that a holder used the private key of its public key is not valid."""


@dataclass(frozen=True, slots=True)
class Blinded:
    """A blinded input.

    Parameters
    ----------
    input : bytes
        The input; it is never sent.
    scalar : bytes
        The blind; it is never sent and never used twice.
    element : bytes
        The blinded point, 32 bytes; only this is sent to a holder.
    """

    input: bytes = field(repr=False)
    scalar: bytes = field(repr=False)
    element: bytes


def expand_message_xmd(message: bytes, dst: bytes, size: int) -> bytes:
    """Expand a message to `size` uniform bytes with SHA-512 (RFC 9380, section 5.3.1).

    Raises
    ------
    ValueError
        When more than 255 hash outputs would be needed.
    """
    blocks = -(-size // 64)
    if not 0 < blocks <= 255:
        raise ValueError(f"expand_message_xmd gives 1 to {255 * 64} bytes, not {size}")
    if len(dst) > 255:
        dst = sha512(b"H2C-OVERSIZE-DST-" + dst).digest()
    dst_prime = dst + bytes([len(dst)])
    padded = _PADDED.copy()
    padded.update(b"%b%b\x00%b" % (message, size.to_bytes(2, "big"), dst_prime))
    first = padded.digest()
    block = sha512(first + b"\x01" + dst_prime).digest()
    output = block
    for number in range(2, blocks + 1):
        mixed = bytes(a ^ b for a, b in zip(first, block, strict=True))
        block = sha512(mixed + bytes([number]) + dst_prime).digest()
        output += block
    return output[:size]


def hash_to_group(data: bytes) -> bytes:
    """Hash to a group element of unknown discrete logarithm (RFC 9497, section 4.1)."""
    return ristretto.from_hash(expand_message_xmd(data, _GROUP_DST, 64))


def hash_to_scalar(data: bytes, dst: bytes = _SCALAR_DST) -> bytes:
    """Hash to a scalar (RFC 9497, section 4.1)."""
    return ristretto.reduce_scalar(expand_message_xmd(data, dst, 64))


def generate_key() -> bytes:
    """Generate a random private key: a scalar, 32 bytes."""
    return ristretto.random_scalar()


def public_key(private_key: bytes) -> bytes:
    """Return the public key, 32 bytes, of a private key."""
    check_scalar(private_key, "the private key")
    return ristretto.multiply_base(private_key)


def derive_key_pair(seed: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Derive private and public key from a secret seed (RFC 9497, section 3.2.1).

    Raises
    ------
    ValueError
        When the seed does not have 32 bytes, or `info` is too long.
    """
    if len(seed) != 32 or len(info) > MAX_INPUT:
        raise ValueError("the seed must have 32 bytes, the info at most 65535")
    for counter in range(256):
        scalar = hash_to_scalar(seed + _sized(info) + bytes([counter]), _DERIVE_DST)
        if any(scalar):
            return scalar, public_key(scalar)
    raise ValueError("no key can be derived from this seed")  # pragma: no cover - chance of 2**-64000


def blind(input: bytes, blind_scalar: bytes | None = None) -> Blinded:
    """Blind one input (RFC 9497, section 3.3.2, Blind).

    Parameters
    ----------
    input : bytes
        At most 65535 bytes.
    blind_scalar : bytes, optional
        The blind; random by default. Give it only for test vectors.

    Raises
    ------
    ValueError
        When the input is too long.
    ElementError
        When the input hashes to the identity, or `blind_scalar` is not a scalar.
    """
    if len(input) > MAX_INPUT:
        raise ValueError(f"an input has at most {MAX_INPUT} bytes, not {len(input)}")
    if blind_scalar is None:
        blind_scalar = generate_key()
    else:
        check_scalar(blind_scalar, "the blind")
    point = hash_to_group(input)
    check_element(point, "what the input hashes to")
    return Blinded(input, blind_scalar, ristretto.multiply(blind_scalar, point))


def evaluate(
    private_key: bytes, elements: Sequence[bytes], *, proof_scalar: bytes | None = None
) -> tuple[list[bytes], bytes]:
    """Evaluate blinded elements, with one proof for all of them (RFC 9497, 3.3.2, BlindEvaluate).

    Returns
    -------
    tuple of list of bytes and bytes
        Evaluated elements, 32 bytes each in the same order, and the proof, 64 bytes.

    See Also
    --------
    evaluate_with_composite : the same with the composite; it has the parameters and the errors.
    """
    evaluated, proof, _ = evaluate_with_composite(private_key, elements, proof_scalar=proof_scalar)
    return evaluated, proof


def evaluate_with_composite(
    private_key: bytes, elements: Sequence[bytes], *, proof_scalar: bytes | None = None
) -> tuple[list[bytes], bytes, bytes]:
    """Evaluate blinded elements, with one proof, and the composite of the blinded elements.

    Parameters
    ----------
    private_key : bytes
    elements : sequence of bytes
        1 to 65535 blinded elements.
    proof_scalar : bytes, optional
        Randomness of the proof; random by default. Give it only for test vectors: two proofs with the same
        randomness reveal the private key.

    Returns
    -------
    tuple of list of bytes, bytes and bytes
        Evaluated elements, 32 bytes each in the same order; the proof, 64 bytes; and the composite M of RFC
        9497 (2.2.1), 32 bytes, which everybody can compute from the rest.

    Raises
    ------
    ElementError
        When an element is not valid, or is the identity.
    ValueError
        When there are no elements, or too many.
    """
    if not 1 <= len(elements) <= MAX_BATCH:
        raise ValueError(f"a batch has 1 to {MAX_BATCH} elements, not {len(elements)}")
    public = public_key(private_key)
    with _naming_the_bad_one(blinded=elements):
        evaluated = [ristretto.multiply(private_key, element) for element in elements]
    if proof_scalar is None:
        proof_scalar = generate_key()
    else:
        check_scalar(proof_scalar, "the randomness of the proof")
    composite = _weigh(_weights(public, elements, evaluated), elements)
    challenge = _challenge(
        public,
        composite,
        ristretto.multiply(private_key, composite),
        ristretto.multiply_base(proof_scalar),
        ristretto.multiply(proof_scalar, composite),
    )
    response = ristretto.subtract_scalars(proof_scalar, ristretto.multiply_scalars(challenge, private_key))
    return evaluated, challenge + response, composite


def verify_proof(public: bytes, elements: Sequence[bytes], evaluated: Sequence[bytes], proof: bytes) -> None:
    """Verify that the private key of `public` gave `evaluated` from `elements` (RFC 9497, 2.2.2).

    Raises
    ------
    ProofError
        When the proof is not valid.
    ElementError
        When something is not an element or a scalar.
    """
    verify_with_composite(public, elements, evaluated, proof)


def verify_with_composite(
    public: bytes,
    elements: Sequence[bytes],
    evaluated: Sequence[bytes],
    proof: bytes,
    composite: bytes | None = None,
) -> list[bytes]:
    """Verify a proof, provided that the composite is right, which is for the caller to check.

    Parameters
    ----------
    public : bytes
    elements, evaluated : sequence of bytes
    proof : bytes
    composite : bytes, optional
        What is said to be the sum of the elements with the weights; computed by default.

    Returns
    -------
    list of bytes
        The weights: scalars, one for each element.

    Raises
    ------
    ProofError, ElementError
        As for `verify_proof`.
    """
    if len(elements) != len(evaluated):
        raise ProofError("the answer has the wrong length", expected=len(elements), got=len(evaluated))
    if not 1 <= len(elements) <= MAX_BATCH:
        raise ProofError("a batch has the wrong length", expected=f"1 to {MAX_BATCH}", got=len(elements))
    if len(proof) != PROOF_SIZE:
        raise ProofError("the proof has the wrong size", expected=PROOF_SIZE, got=len(proof))
    challenge, response = proof[:SCALAR_SIZE], proof[SCALAR_SIZE:]
    check_scalar(challenge, "the proof's challenge")
    check_scalar(response, "the proof's response")
    check_element(public, "the public key")
    if composite is not None:
        check_element(composite, "the composite of the blinded elements")
    with _naming_the_bad_one(blinded=elements, evaluated=evaluated):
        weights = _weights(public, elements, evaluated)
        before = _weigh(weights, elements) if composite is None else composite
        after = _weigh(weights, evaluated)
        commitment = ristretto.add(ristretto.multiply_base(response), ristretto.multiply(challenge, public))
        shifted = ristretto.add(ristretto.multiply(response, before), ristretto.multiply(challenge, after))
    expected = _challenge(public, before, after, commitment, shifted)
    if not compare_digest(challenge, expected):
        raise ProofError(
            "the answer was not computed with the private key of this public key",
            where=f"public key {public.hex()}",
            next_step="Do not use the answer; ask the holder for which consortium and epoch its key is.",
        )
    return weights


def finalize(
    blinded: Sequence[Blinded], evaluated: Sequence[bytes], proof: bytes, public: bytes
) -> list[bytes]:
    """Verify the proof and remove the blinds (RFC 9497, section 3.3.2, Finalize).

    Returns
    -------
    list of bytes
        One output of 64 bytes per input, in the same order.

    Raises
    ------
    ProofError, ElementError
        As for `verify_proof`.
    """
    verify_proof(public, [item.element for item in blinded], evaluated, proof)
    return unblind(blinded, evaluated)


def unblind(
    blinded: Sequence[Blinded], evaluated: Sequence[bytes], *, divisor: bytes | None = None
) -> list[bytes]:
    """Remove the blinds from evaluated elements whose proof was verified: the second half of `finalize`.

    Parameters
    ----------
    blinded : sequence of Blinded
        At least one.
    evaluated : sequence of bytes
        The evaluated element of each blinded one, in the same order.
    divisor : bytes, optional
        A scalar by which every evaluated element is too large.
    """
    scalars = [item.scalar for item in blinded]
    if divisor is not None:
        scalars = [ristretto.multiply_scalars(scalar, divisor) for scalar in scalars]
    inverses = _invert(scalars)
    return [
        _output(item.input, ristretto.multiply(inverse, element))
        for item, inverse, element in zip(blinded, inverses, evaluated, strict=True)
    ]


def prf(private_key: bytes, input: bytes) -> bytes:
    """Evaluate the function on a known input with the private key (RFC 9497, section 3.3.1, Evaluate)."""
    check_scalar(private_key, "the private key")
    return _output(input, ristretto.multiply(private_key, hash_to_group(input)))


@contextmanager
def _naming_the_bad_one(**elements: Sequence[bytes]) -> Iterator[None]:
    """Turn an error of libsodium into one that names the element that caused it.

    libsodium multiplies only elements, and never returns the identity. To check all elements before would
    cost a tenth of the time of a proof.
    """
    try:
        yield
    except (RuntimeError, ValueError, OverflowError) as error:
        for kind, group in elements.items():
            for number, element in enumerate(group):
                check_element(element, f"{kind} element {number}")
        raise ProofError("the proof is degenerate") from error


def _output(input: bytes, element: bytes) -> bytes:
    return sha512(_sized(input) + _sized(element) + b"Finalize").digest()


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _weights(public: bytes, elements: Sequence[bytes], evaluated: Sequence[bytes]) -> list[bytes]:
    """Derive the random weights that combine a batch into one statement (RFC 9497, 2.2.1)."""
    seed = _sized(sha512(_sized(public) + _sized(_SEED_DST)).digest())
    return [
        hash_to_scalar(seed + number.to_bytes(2, "big") + _sized(before) + _sized(after) + b"Composite")
        for number, (before, after) in enumerate(zip(elements, evaluated, strict=True))
    ]


def _weigh(weights: Sequence[bytes], elements: Sequence[bytes]) -> bytes:
    total = ristretto.multiply(weights[0], elements[0])
    for weight, element in zip(weights[1:], elements[1:], strict=True):
        total = ristretto.add(total, ristretto.multiply(weight, element))
    return total


def _challenge(public: bytes, *elements: bytes) -> bytes:
    return hash_to_scalar(_sized(public) + b"".join(map(_sized, elements)) + b"Challenge")


def _invert(scalars: Sequence[bytes]) -> list[bytes]:
    """Invert many scalars with one inversion (Montgomery); an inversion costs as much as 20 products."""
    products = [scalars[0]]
    for scalar in scalars[1:]:
        products.append(ristretto.multiply_scalars(products[-1], scalar))
    rest = ristretto.invert_scalar(products[-1])
    inverses = [b""] * len(scalars)
    for position in range(len(scalars) - 1, 0, -1):
        inverses[position] = ristretto.multiply_scalars(rest, products[position - 1])
        rest = ristretto.multiply_scalars(rest, scalars[position])
    inverses[0] = rest
    return inverses
