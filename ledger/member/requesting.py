"""Get pseudonyms: blind identifiers, anchor the request on the chain, have it evaluated, store the answers.

Each step is durable before the next one. A request that was stored is anchored and evaluated once, also if
the process is killed at any point and started again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from ledger.encoding.pseudonym import ProvenBatch, Pseudonymiser
from ledger.errors import TransactionRejectedError
from ledger.evaluation_request import Chunk, chunks
from ledger.member.keys import MemberKeys
from ledger.member.vault import OpenRequest, Vault

if TYPE_CHECKING:
    from ledger.gateway import Gateway, Member

__all__ = ["REQUEST_SIZE", "Requester"]

Progress = Callable[[str, int, int], None]

#: Maximum number of elements in one request of ours: about 30 MB of memory.
REQUEST_SIZE: Final = 65_536

#: Answers that are stored in one transaction, in chunks.
_STORED_TOGETHER: Final = 4


class Requester:
    """Gets the pseudonyms of one member.

    Parameters
    ----------
    vault : Vault
    keys : MemberKeys
    gateway : Gateway
    member : Member
        The member, as the chain has it.
    """

    def __init__(self, vault: Vault, keys: MemberKeys, gateway: Gateway, member: Member) -> None:
        self._vault = vault
        self._keys = keys
        self._gateway = gateway
        self._code = member.code

    def pseudonymise(
        self,
        pseudonymiser: Pseudonymiser,
        epoch: int,
        missing: Callable[[], list[str]],
        *,
        processes: int = 1,
        progress: Progress | None = None,
    ) -> int:
        """Fetch and store the pseudonyms of identifiers; return how many.

        Parameters
        ----------
        pseudonymiser : Pseudonymiser
            With the key of the epoch.
        epoch : int
        missing : callable
            Returns the identifiers that have no pseudonym yet.
        processes : int
        progress : callable, optional
            Called with (stage, done, total).

        Raises
        ------
        TransactionRejectedError
            When the chain refuses a request, such as for a quota that is used up.
        KeyHolderError
            When too few holders answer.
        """
        total, done = len(missing()), 0
        for request in self._vault.requests.open(epoch):
            if request.number is None and not self._anchored(request) and request.count > self._left():
                self._vault.requests.remove(request)  # the quota has shrunk; what is left is asked for below
        while waiting := self._vault.requests.open(epoch) or self._next(
            pseudonymiser, epoch, missing, processes
        ):
            for request in waiting:
                for count in self._evaluate(pseudonymiser, self._anchor(request), processes):
                    done += count
                    if progress:
                        progress("pseudonyms", min(done, total), total)
                self._vault.requests.remove(request)
        return done

    def _next(
        self, pseudonymiser: Pseudonymiser, epoch: int, missing: Callable[[], list[str]], processes: int
    ) -> list[OpenRequest]:
        """Blind the next identifiers and store them as a request; none if all have a pseudonym."""
        wanted = missing()
        if not wanted:
            return []
        most = min(REQUEST_SIZE, self._left() or REQUEST_SIZE)
        blinded = pseudonymiser.blind(wanted[:most], processes=processes)
        return [self._vault.requests.add(epoch, blinded)]

    def _left(self) -> int:
        return sum(self._gateway.evaluations_left(self._code))

    def _anchored(self, request: OpenRequest) -> int:
        return self._gateway.evaluation_number(self._code, request.root)

    def _anchor(self, request: OpenRequest) -> OpenRequest:
        """Return a request with its number on the chain; send it if it is not there."""
        if request.number is not None:
            return request
        number = self._anchored(request)
        if not number:
            try:
                self._gateway.transact(
                    self._keys.account, "EvaluationLog", "request", request.epoch, request.count, request.root
                )
            except TransactionRejectedError:
                # sent before a crash, and mined meanwhile: then it is anchored all the same
                if not self._anchored(request):
                    raise
            number = self._anchored(request)
        return self._vault.requests.anchored(request, number)

    def _evaluate(self, pseudonymiser: Pseudonymiser, request: OpenRequest, processes: int) -> Iterator[int]:
        """Evaluate what is left of a request, and store the answers; yield how many at a time."""
        blinded = self._vault.requests.blinded(request)
        held = self._vault.requests.evaluated(request)
        parts = chunks(request.number or 0, [item.element for item in blinded])
        work = [(part, blinded[part.start : part.start + len(part.elements)]) for part in parts]
        open_ = [(part, own) for part, own in work if part.start not in held]
        waiting: list[tuple[Chunk, list[ProvenBatch]]] = []
        for answer in pseudonymiser.evaluate(open_, processes=processes):
            waiting.append(answer)
            if len(waiting) == _STORED_TOGETHER:
                yield self._store(waiting)
                waiting = []
        yield self._store(waiting)

    def _store(self, answers: list[tuple[Chunk, list[ProvenBatch]]]) -> int:
        self._vault.store_pseudonyms([(chunk.request, chunk.start, batches) for chunk, batches in answers])
        return sum(len(chunk.elements) for chunk, _ in answers)
