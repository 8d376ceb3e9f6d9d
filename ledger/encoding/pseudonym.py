"""From identifiers to pseudonyms: 16 bytes that a holder of the epoch's key helped to make, unseeing.

An identifier has one of four forms, and one spelling (`normalise_identifier`)::

    iban:DE89370400440532013000      an IBAN, which is unique by itself
    acct:EXAMPLEXXX:12345            a proprietary account number, which means nothing without its bank
    lei:529900T8BM49AURSDO55         a legal person
    person:<scheme>:<id>             a natural person, in a scheme that the banks share

The pseudonym is the VOPRF output (`ledger.encoding.oprf`) under the key of the epoch, truncated to 16 bytes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import NamedTuple, Protocol

from ledger.encoding import oprf
from ledger.errors import InputError

__all__ = ["BATCH", "PSEUDONYM_SIZE", "Evaluation", "KeyHolder", "Pseudonymiser", "normalise_identifier"]

#: Bytes of a pseudonym.
PSEUDONYM_SIZE = 16
#: Identifiers sent to a holder in one request.
BATCH = 512

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", re.ASCII)
_LEI = re.compile(r"[A-Z0-9]{18}[0-9]{2}", re.ASCII)
_AGENT = re.compile(r"[A-Z0-9_.-]{1,35}", re.ASCII)
_SCHEME = re.compile(r"[a-z0-9_.-]{1,35}", re.ASCII)
_MAX_IDENTIFIER = 1024
_FORMS = "iban:…, acct:<agent>:<number>, lei:… or person:<scheme>:<id>"


class Evaluation(NamedTuple):
    """A holder's answer to one batch: evaluated elements in order, and one proof for all of them."""

    elements: list[bytes]
    proof: bytes


class KeyHolder(Protocol):
    """Who evaluates blinded elements under the key of an epoch: one process, or a threshold of them.

    A holder sees blinded points only. It counts each of them against the quota of who asks.
    """

    def evaluate(self, epoch: int, blinded: Sequence[bytes]) -> Evaluation:
        """Evaluate a batch of blinded elements under the key of `epoch`, with a proof."""
        ...

    def public_key(self, epoch: int) -> bytes:
        """Give the public key that the holder has for `epoch`."""
        ...


class Pseudonymiser:
    """Turns identifiers into the pseudonyms of one epoch.

    Parameters
    ----------
    holder : KeyHolder
    epoch : int
    public_key : bytes
        The key that the chain committed to for this epoch. A holder that uses another one is refused: first
        by what it says, then by every proof.

    See Also
    --------
    ledger.encoding.keyholder.LocalKeyHolder : a holder in this process.
    ledger.encoding.keyholder_client.HttpKeyHolder : a holder somewhere else.
    """

    def __init__(self, holder: KeyHolder, epoch: int, public_key: bytes) -> None:
        oprf.check_element(public_key, "the public key of the epoch")
        self._holder = holder
        self._epoch = epoch
        self._public_key = public_key
        self._holder_checked = False
        self._pool: ProcessPoolExecutor | None = None
        self._workers = 0

    def pseudonyms(self, identifiers: Sequence[str], *, processes: int = 1) -> list[bytes]:
        """Compute pseudonyms.

        Parameters
        ----------
        identifiers : sequence of str
            In any of the four forms; one that occurs twice is asked for once.
        processes : int
            Processes that share the blinding and unblinding, which is most of the work here. They are
            spawned, so a script that asks for several needs its ``if __name__ == "__main__"``, and kept for
            the next call until `close`.

        Returns
        -------
        list of bytes
            16 bytes each, in the order of the identifiers.

        Raises
        ------
        InputError
            When an identifier is malformed; nothing has been asked of the holder then.
        KeyHolderError
            When the holder cannot be reached, or refuses.
        VerificationError
            When the holder's answer is not proven to come from the epoch's key.
        """
        normal = [normalise_identifier(identifier) for identifier in identifiers]
        distinct = list(dict.fromkeys(normal))
        if not distinct:
            return []
        self._check_holder()
        batches = [
            [identifier.encode() for identifier in distinct[start : start + BATCH]]
            for start in range(0, len(distinct), BATCH)
        ]
        answers = self._spread(batches, processes) if processes > 1 else map(self._one_batch, batches)
        outputs = [output for batch in answers for output in batch]
        table = dict(zip(distinct, outputs, strict=True))
        return [table[identifier] for identifier in normal]

    def _check_holder(self) -> None:
        """Compare keys before the first batch: a wrong holder should not cost a quota to find out."""
        if self._holder_checked:
            return
        claimed = self._holder.public_key(self._epoch)
        if claimed != self._public_key:
            raise oprf.ProofError(
                f"the key holder has another key for epoch {self._epoch} than the chain committed to",
                expected=self._public_key,
                got=claimed,
                next_step="Point to the holder of this consortium.",
            )
        self._holder_checked = True

    def _one_batch(self, batch: list[bytes]) -> list[bytes]:
        blinded = _blind_batch(batch)
        return _finalize_batch(blinded, self._ask(blinded), self._public_key)

    def _ask(self, blinded: list[oprf.Blinded]) -> Evaluation:
        return self._holder.evaluate(self._epoch, [item.element for item in blinded])

    def _spread(self, batches: list[list[bytes]], workers: int) -> Iterator[list[bytes]]:
        """Blind ahead and unblind behind while the holder works on the batch between, in bounded memory."""
        pool = self._processes(workers)
        waiting = iter(batches)
        ahead: deque[Future[list[oprf.Blinded]]] = deque()
        behind: deque[Future[list[bytes]]] = deque()
        ahead.extend(pool.submit(_blind_batch, batch) for batch in islice(waiting, 2 * workers))
        while ahead:
            blinded = ahead.popleft().result()
            ahead.extend(pool.submit(_blind_batch, batch) for batch in islice(waiting, 1))
            evaluation = self._ask(blinded)
            behind.append(pool.submit(_finalize_batch, blinded, evaluation, self._public_key))
            if len(behind) > 2 * workers:
                yield behind.popleft().result()
        for future in behind:
            yield future.result()

    def _processes(self, workers: int) -> ProcessPoolExecutor:
        if self._pool is None or self._workers != workers:
            self.close()
            self._pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
            self._workers = workers
        return self._pool

    def close(self) -> None:
        """End the processes that `pseudonyms` started; it starts them again when it needs them."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _blind_batch(batch: list[bytes]) -> list[oprf.Blinded]:
    return [oprf.blind(data) for data in batch]


def _finalize_batch(blinded: list[oprf.Blinded], evaluation: Evaluation, public_key: bytes) -> list[bytes]:
    outputs = oprf.finalize(blinded, evaluation.elements, evaluation.proof, public_key)
    return [output[:PSEUDONYM_SIZE] for output in outputs]


def normalise_identifier(text: str) -> str:
    """Give an identifier its one spelling.

    IBAN and LEI: upper case, without white space, check digits right. Agents in upper case, schemes in lower
    case. Numbers of accounts and persons are kept as they are, but for outer white space and Unicode
    normal form (NFC).

    Raises
    ------
    InputError
        When `text` has none of the four forms. The message does not repeat the identifier.

    Examples
    --------
    >>> normalise_identifier("IBAN:de89 3704 0044 0532 0130 00")
    'iban:DE89370400440532013000'
    """
    kind, colon, rest = unicodedata.normalize("NFC", text).strip().partition(":")
    kind = kind.lower()
    if not colon or kind not in _NORMALISE:
        raise InputError(f"an identifier has none of the forms {_FORMS}")
    normal = f"{kind}:{_NORMALISE[kind](rest)}"
    try:
        size = len(normal.encode())
    except UnicodeEncodeError as error:
        raise InputError("an identifier cannot be written in UTF-8") from error
    if size > _MAX_IDENTIFIER:
        raise InputError(f"an identifier takes {size} bytes, more than {_MAX_IDENTIFIER}")
    return normal


def _iban(text: str) -> str:
    iban = "".join(text.split()).upper()
    if not _IBAN.fullmatch(iban) or _mod_97(iban[4:] + iban[:4]) != 1:
        raise InputError("an identifier starts with iban: but is not a valid IBAN")
    return iban


def _lei(text: str) -> str:
    lei = "".join(text.split()).upper()
    if not _LEI.fullmatch(lei) or _mod_97(lei) != 1:
        raise InputError("an identifier starts with lei: but is not a valid LEI")
    return lei


def _account(text: str) -> str:
    agent, _, number = text.partition(":")
    agent, number = agent.strip().upper(), number.strip()
    if not _AGENT.fullmatch(agent) or not number or "\n" in number:
        raise InputError("an identifier starts with acct: but is not acct:<agent>:<number>")
    return f"{agent}:{number}"


def _person(text: str) -> str:
    scheme, _, identity = text.partition(":")
    scheme, identity = scheme.strip().lower(), identity.strip()
    if not _SCHEME.fullmatch(scheme) or not identity or "\n" in identity:
        raise InputError("an identifier starts with person: but is not person:<scheme>:<id>")
    return f"{scheme}:{identity}"


def _mod_97(text: str) -> int:
    """Check digits of ISO 7064 MOD 97-10: letters count from 10, a valid text leaves 1."""
    return int("".join(str(int(character, 36)) for character in text)) % 97


_NORMALISE = {"iban": _iban, "acct": _account, "lei": _lei, "person": _person}
