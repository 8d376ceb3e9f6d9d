"""Evaluations of the pseudonym key, with their proofs: they show that a pseudonym belongs to a value.

A holder of the pseudonym key evaluates blinded elements in small batches, and proves each batch (RFC 9497).
A bank keeps for each pseudonym the blind, the evaluation and the element's position in it. With these it can
later show anyone that the pseudonym in its row is that of a certain account:

1. Each share's proof is valid under the holder's key, and the shares' keys combine to the key of the epoch.
2. The element is the value, hashed to the group and blinded with the blind.
3. The evaluated element, without the blind, gives the pseudonym.

One holder has one share, with the index 1, under the public key of the epoch. With several holders (t of n),
each share is verified under the holder's share commitment, and the shares are combined (Lagrange).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final, Self

from msgspec import Meta

from ledger.documents import Count, Document, Hash
from ledger.encoding import oprf, ristretto, sharing
from ledger.encoding.identifiers import normalise_identifier
from ledger.errors import InputError, VerificationError
from ledger.schema import PSEUDONYM_BYTES

__all__ = [
    "MOST_ELEMENTS",
    "PROOF_BATCH",
    "EpochKey",
    "Evaluation",
    "EvaluationDocument",
    "EvaluationError",
    "Share",
    "check_pseudonym",
    "check_shares_of",
    "unblinded",
    "verify_evaluation",
]

#: Number of elements that a holder proves together. More of them make a pseudonym cheaper to compute, and a
#: proof dearer to verify. With 3 of 5 holders, eight instead of four save a tenth of the work for a
#: pseudonym, and an account of a new batch takes 5.0 ms to verify instead of 3.1 (docs/performance.md).
PROOF_BATCH: Final = 8

#: Maximum number of elements in an evaluation: with five shares it takes less than 16 KiB in a document.
MOST_ELEMENTS: Final = 32

#: Verified evaluations that are kept in memory: about 2 kB each with one holder, 4 kB with three.
_KEPT: Final = 4096

#: A greater number of an epoch or a generation is not repeated in an error: it could be an account number.
_MOST_SHOWN: Final = 0xFFFF

_Elements = Annotated[list[Hash], Meta(min_length=1, max_length=MOST_ELEMENTS)]
_Proof = Annotated[str, Meta(pattern=r"\A[0-9a-f]{128}\Z")]
_Index = Annotated[int, Meta(ge=1, le=255)]


class EvaluationError(VerificationError):
    """Raised when an evaluation does not show that a pseudonym belongs to a value."""


@dataclass(frozen=True, slots=True)
class Share:
    """One holder's evaluated elements, 32 bytes each, with its proof, 64 bytes.

    Parameters
    ----------
    index : int
        The holder's index, from 1.
    elements : tuple of bytes
    proof : bytes
    """

    index: int
    elements: tuple[bytes, ...]
    proof: bytes


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A batch of blinded elements, and what the holders of the key made of them.

    Parameters
    ----------
    epoch, generation : int
        The epoch of the key, and the generation of its share commitments.
    blinded : tuple of bytes
        1 to `MOST_ELEMENTS` elements of 32 bytes.
    shares : tuple of Share
        In order of their indices.
    """

    epoch: int
    generation: int
    blinded: tuple[bytes, ...]
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class EpochKey:
    """The public side of the pseudonym key of one epoch, from the chain or a trust file.

    Parameters
    ----------
    number : int
        The epoch.
    generation : int
        The generation of the share commitments.
    public_key : bytes
    share_commitments : tuple of bytes
        The public key of each holder's share, in the order of the indices; empty for a single holder.
    """

    number: int
    generation: int
    public_key: bytes
    share_commitments: tuple[bytes, ...] = ()

    @property
    def holders(self) -> tuple[bytes, ...]:
        """The public key of each holder's share, in the order of the indices; at least one."""
        return self.share_commitments or (self.public_key,)


class ShareDocument(Document):
    """A `Share` in JSON."""

    index: _Index
    elements: _Elements
    proof: _Proof


class EvaluationDocument(Document):
    """An `Evaluation` in JSON; a part of a disclosure."""

    epoch: Count
    generation: Count
    blinded: _Elements
    shares: Annotated[list[ShareDocument], Meta(min_length=1)]

    @classmethod
    def of(cls, evaluation: Evaluation) -> Self:
        """Return the document of an evaluation."""
        return cls(
            epoch=evaluation.epoch,
            generation=evaluation.generation,
            blinded=[element.hex() for element in evaluation.blinded],
            shares=[
                ShareDocument(
                    index=share.index,
                    elements=[element.hex() for element in share.elements],
                    proof=share.proof.hex(),
                )
                for share in evaluation.shares
            ],
        )

    def evaluation(self) -> Evaluation:
        """Return the evaluation of the document."""
        return Evaluation(
            self.epoch,
            self.generation,
            _bytes(self.blinded),
            tuple(
                Share(share.index, _bytes(share.elements), bytes.fromhex(share.proof))
                for share in self.shares
            ),
        )


def check_pseudonym(
    value: str,
    pseudonym: bytes,
    evaluation: Evaluation,
    element: int,
    blind: bytes,
    keys: Mapping[tuple[int, int], EpochKey],
) -> None:
    """Check that a pseudonym is that of a value.

    Parameters
    ----------
    value : str
        An identifier in its normal form (`ledger.encoding.identifiers`).
    pseudonym : bytes
        The pseudonym in the row, 16 bytes.
    evaluation : Evaluation
        The evaluation that the pseudonym was made from; a verified evaluation is not verified again.
    element : int
        Position of the value's element in the evaluation, from 0.
    blind : bytes
        The blind of the element, 32 bytes.
    keys : mapping of epoch and generation to EpochKey
        From the trust file.

    Raises
    ------
    VerificationError
        When the evaluation does not show it. The message never repeats the value.
    """
    key = keys.get((evaluation.epoch, evaluation.generation))
    if key is None:
        named = f"epoch {evaluation.epoch}, generation {evaluation.generation}"
        if max(evaluation.epoch, evaluation.generation) > _MOST_SHOWN:
            named = "this epoch and generation"
        raise EvaluationError(
            f"the pseudonym key of {named} is not known",
            next_step="Use a trust file of this consortium that has this generation of the key.",
        )
    if not 0 <= element < len(evaluation.blinded):
        raise EvaluationError(
            f"the evaluation has {len(evaluation.blinded)} elements, and none at the given position"
        )
    blinded = _blinded(value, blind)
    if blinded.element != evaluation.blinded[element]:
        raise EvaluationError("this element of the evaluation is not the value with this blind")
    _verified(evaluation, key)
    indices = tuple(share.index for share in evaluation.shares)
    (output,) = unblinded(indices, [blinded], [[share.elements[element]] for share in evaluation.shares])
    if output[:PSEUDONYM_BYTES] != pseudonym:
        raise EvaluationError("the value has another pseudonym in this epoch than the one in the row")


def verify_evaluation(evaluation: Evaluation, key: EpochKey) -> None:
    """Verify the proof of each share, and that the shares are of the epoch's key.

    Raises
    ------
    VerificationError
        When a proof is not valid, or the shares are not of this key.
    """
    if (evaluation.epoch, evaluation.generation) != (key.number, key.generation):
        raise EvaluationError(
            "the evaluation is of another key",
            expected=f"epoch {key.number}, generation {key.generation}",
        )
    if not 1 <= len(evaluation.blinded) <= MOST_ELEMENTS:
        raise EvaluationError(
            "an evaluation has the wrong length",
            expected=f"1 to {MOST_ELEMENTS}",
            got=len(evaluation.blinded),
        )
    ristretto.check_element(key.public_key, "the public key of the epoch")
    holders = key.holders
    indices = [share.index for share in evaluation.shares]
    sharing.check_indices(indices, len(holders))
    for share in evaluation.shares:
        oprf.verify_proof(holders[share.index - 1], evaluation.blinded, share.elements, share.proof)
    check_shares_of(key, tuple(indices))


@lru_cache(1024)
def check_shares_of(key: EpochKey, indices: tuple[int, ...]) -> None:
    """Check that the shares of these holders make the key of the epoch.

    Raises
    ------
    VerificationError
        When they are too few, or the commitments are those of another key.
    """
    holders = [key.holders[index - 1] for index in indices]
    for index, holder in zip(indices, holders, strict=True):
        ristretto.check_element(holder, f"the share commitment of holder {index}")
    if sharing.combined(sharing.weights(indices), holders) != key.public_key:
        raise EvaluationError(
            f"shares of the holders {', '.join(map(str, indices))} do not make the key of the epoch",
            next_step="More holders must take part in an evaluation.",
        )


def unblinded(
    indices: tuple[int, ...], blinded: Sequence[oprf.Blinded], shares: Sequence[Sequence[bytes]]
) -> list[bytes]:
    """Combine verified shares and remove the blinds: one output of 64 bytes for each blinded input.

    Parameters
    ----------
    indices : tuple of int
        The holders whose shares make the key (`check_shares_of`).
    blinded : sequence of Blinded
    shares : sequence of sequence of bytes
        The evaluated elements of each of the holders, in the order of the indices.
    """
    factors, divisor = sharing.combination(indices)
    sums = [sharing.sum_with(factors, elements) for elements in zip(*shares, strict=True)]
    return oprf.unblind(blinded, sums, divisor=divisor)


#: Evaluations are compared by their content: a document cannot pass another one off as verified.
_verified = lru_cache(_KEPT)(verify_evaluation)


def _blinded(value: str, blind: bytes) -> oprf.Blinded:
    try:
        normal = normalise_identifier(value)
    except InputError as error:
        raise EvaluationError("the value is not an identifier of an account or a party") from error
    if normal != value:
        raise EvaluationError("the value is an identifier, but not in its normal form")
    return oprf.blind(value.encode(), blind)


def _bytes(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(text) for text in texts)
