"""The client of a remote key holder: signed requests over HTTP.

The member's Ethereum key signs a request (EIP-191 ``personal_sign``) over its method, path, time and body, so
the holder knows who asks and stores no passwords. A request is a chunk of what the member anchored on the
chain, and contains only blinded points. `Pseudonymiser` verifies the proofs of each answer, so a wrong
holder cannot give wrong pseudonyms.

This is version 3 of the protocol: an answer has one proof for each `PROOF_BATCH` elements, in order.
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Annotated, Any, Final, TypeVar

import httpx
import msgspec
from msgspec import Meta

from ledger.documents import Hash
from ledger.encoding.answers import Answer
from ledger.errors import KeyHolderError, QuotaExceededError
from ledger.evaluation_request import Chunk
from ledger.nesting import MOST_DEPTH, nesting
from ledger.signing import AccountKey, address_of, sign_text

__all__ = [
    "ACCOUNT_HEADER",
    "SIGNATURE_HEADER",
    "TIME_HEADER",
    "HolderAnswer",
    "HttpKeyHolder",
    "request_message",
]

ACCOUNT_HEADER = "Counterfoil-Account"
TIME_HEADER = "Counterfoil-Time"
SIGNATURE_HEADER = "Counterfoil-Signature"

#: Maximum size of an answer in bytes; a full request has about 86,000.
MOST_BYTES: Final = 2**20

_CHUNK: Final = 2**16

#: Maximum number of characters of a holder's answer that an error quotes.
_QUOTED: Final = 300


_Answer = TypeVar("_Answer")


class EvaluationAnswer(msgspec.Struct):
    """The answer to a request for an evaluation; a later version may have more fields."""

    generation: int
    elements: list[Hash]
    proofs: list[Annotated[str, Meta(pattern=r"\A[0-9a-f]{128}\Z")]]
    composites: list[Hash] = []


class HeldShareAnswer(msgspec.Struct):
    """A share that a holder has: its index, and the public key of the share."""

    epoch: int
    generation: int
    index: int
    public: Hash


class HolderAnswer(msgspec.Struct):
    """What a holder says of itself."""

    account: str
    encryption_key: Hash
    shares: list[HeldShareAnswer]


class ProblemAnswer(msgspec.Struct):
    """The answer of a holder that refuses a request (RFC 9457)."""

    detail: Any = None


def request_message(method: str, path: str, unix_time: str, body: bytes) -> str:
    """Return the text that a member signs for one request, with `ledger.signing.sign_text`.

    Parameters
    ----------
    method, path : str
        As in ``POST`` and ``/v3/evaluate``.
    unix_time : str
        Seconds since 1970, in decimal.
    body : bytes
    """
    return f"counterfoil keyholder v3\n{method} {path}\n{unix_time}\n{sha256(body).hexdigest()}"


class HttpKeyHolder:
    """A key holder behind a URL.

    Parameters
    ----------
    url : str
        Address of the holder, such as ``http://127.0.0.1:8601``.
    account_key : AccountKey
        The key of the member's account; it signs each request.
    timeout : float
        Seconds to wait for an answer.
    """

    def __init__(self, url: str, account_key: AccountKey, *, timeout: float = 60.0) -> None:
        self._url = url.rstrip("/")
        self._key, self._address = account_key, address_of(account_key)
        self._timeout = timeout
        self._client = httpx.Client(
            base_url=self._url, timeout=timeout, headers={"Accept-Encoding": "identity"}
        )

    def evaluate(self, epoch: int, generation: int, chunk: Chunk) -> Answer:
        """Ask the holder to evaluate a chunk of a request that is anchored on the chain.

        Raises
        ------
        QuotaExceededError
            When the holder has answered for this chunk too often.
        KeyHolderError
            When the holder cannot be reached, refuses, or gives an invalid answer.
        """
        path = "/v3/evaluate"
        asked = {
            "request": chunk.request,
            "start": chunk.start,
            "blinded": [element.hex() for element in chunk.elements],
            "path": [node.hex() for node in chunk.path],
        }
        request = httpx.Request("POST", self._url + path, json=asked)
        body, now = request.read(), str(int(time.time()))
        signature = sign_text(request_message("POST", path, now, body), self._key)
        headers = {
            "Content-Type": "application/json",
            ACCOUNT_HEADER: self._address,
            TIME_HEADER: now,
            SIGNATURE_HEADER: "0x" + signature.hex(),
        }
        answer = self._send("POST", path, body, headers, EvaluationAnswer)
        if answer.generation != generation:
            raise KeyHolderError(
                f"the key of epoch {epoch} was shared anew: the holder has generation {answer.generation}",
                where=self._url,
                next_step="Run the same command again; finished pseudonyms are stored.",
            )
        parts = (answer.elements, answer.proofs, answer.composites)
        return Answer(*([bytes.fromhex(text) for text in part] for part in parts))

    def holder(self) -> HolderAnswer:
        """Ask the holder for its account, its encryption key and its shares.

        Raises
        ------
        KeyHolderError
            When the holder cannot be reached, or gives an invalid answer.
        """
        return self._send("GET", "/v3/holder", b"", {}, HolderAnswer)

    def index(self, epoch: int, generation: int) -> int | None:
        """Return the holder's index for a key; None if it has no share of it."""
        return next(
            (s.index for s in self.holder().shares if (s.epoch, s.generation) == (epoch, generation)), None
        )

    def public_key(self, epoch: int, generation: int) -> bytes:
        """Ask for the public key of the holder's share.

        Raises
        ------
        KeyHolderError
            When the holder cannot be reached, has no such share, or gives an invalid answer.
        """
        for share in self.holder().shares:
            if (share.epoch, share.generation) == (epoch, generation):
                return bytes.fromhex(share.public)
        raise KeyHolderError(
            f"the key holder has no share of epoch {epoch}, generation {generation}", where=self._url
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(
        self, method: str, path: str, body: bytes, headers: dict[str, str], kind: type[_Answer]
    ) -> _Answer:
        started = time.monotonic()
        try:
            with self._client.stream(method, path, content=body, headers=headers) as response:
                said = bytearray()
                for part in response.iter_bytes(_CHUNK):
                    said += part
                    if len(said) > MOST_BYTES:
                        raise self._nonsense()
                    if time.monotonic() - started > self._timeout:
                        raise httpx.ReadTimeout("the answer took too long")
        except httpx.HTTPError as error:
            raise KeyHolderError(
                f"the key holder does not answer: {error or type(error).__name__}",
                where=self._url,
                next_step="Start it with `counterfoil keyholder serve`, or correct its address.",
            ) from error
        if nesting(bytes(said)) > MOST_DEPTH:
            raise self._nonsense()
        try:
            if response.is_success:
                return msgspec.json.decode(said, type=kind)
            problem = msgspec.json.decode(said, type=ProblemAnswer)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise self._nonsense() from error
        what = f"the key holder refuses: {str(problem.detail or response.reason_phrase)[:_QUOTED]}"
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise QuotaExceededError(
                what,
                where=self._url,
                next_step="Run the same command again tomorrow; finished pseudonyms are stored.",
            )
        raise KeyHolderError(
            what,
            where=self._url,
            next_step="Run `counterfoil consortium status` to see the status of this member.",
        )

    def _nonsense(self) -> KeyHolderError:
        return KeyHolderError(
            "the server at this address is not a key holder",
            where=self._url,
            next_step="Correct its address; `counterfoil keyholder serve` prints it.",
        )
