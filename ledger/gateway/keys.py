"""Read the pseudonym key's ceremonies, and what members asked its holders to evaluate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from web3 import Web3

from ledger.errors import InputError
from ledger.gateway.connection import Connection
from ledger.gateway.records import Ceremony, EvaluationRequest

__all__ = ["Keys"]

_STATUS: Final = ("none", "running", "completed", "failed", "replaced")
_ROUNDS: Final = (
    "CeremonyStarted",
    "CeremonyCommitted",
    "CeremonyDealt",
    "CeremonyConfirmed",
    "CeremonyFailed",
    "CeremonyCompleted",
)


class Keys(Connection):
    """Reads the contracts `PseudonymKeys` and `EvaluationLog`."""

    def ceremonies(self) -> list[Ceremony]:
        """Return every key ceremony with its transcript, oldest first.

        Raises
        ------
        ChainError
            When the node leaves out the start of a ceremony.
        """
        found: dict[int, Ceremony] = {}
        for name, args, entry in self._events("PseudonymKeys", _ROUNDS):
            number = args["number"]
            if name == "CeremonyStarted":
                found[number] = _started(args, int(entry["blockNumber"]))
                continue
            if number not in found:
                raise self._incomplete(f"the start of ceremony {number}")
            found[number] = _after(found[number], name, args)
        count = self.ceremony_count()
        if sorted(found) != list(range(1, count + 1)):
            raise self._incomplete(f"{count - len(found)} of {count} ceremonies")
        return [self._with_status(known) for _, known in sorted(found.items())]

    def _with_status(self, known: Ceremony) -> Ceremony:
        """Ask for the status of a ceremony, unless an event ended it: there may be many that have ended."""
        if known.status != "running":
            return known
        status = _value(self._ask("PseudonymKeys", "ceremonyAt", known.number), "status", 3)
        return replace(known, status=_STATUS[status])

    def ceremony_count(self) -> int:
        """Return how many ceremonies there were; their numbers are 1 to this number."""
        return int(self._ask("PseudonymKeys", "ceremonyCount"))

    def ceremony(self, number: int) -> Ceremony:
        """Return one ceremony.

        Raises
        ------
        InputError
            When there is none with this number.
        """
        found = next((known for known in self.ceremonies() if known.number == number), None)
        if found is None:
            raise InputError(
                f"there is no key ceremony {number}",
                next_step="Run `counterfoil consortium status`, which names the ceremonies.",
            )
        return found

    def key_ceremony(self, epoch: int) -> int:
        """Return the number of the ceremony that made the shares in force of an epoch; 0 if there is none."""
        return int(self._ask("PseudonymKeys", "keyOf", epoch)[2])

    def evaluation_request(self, number: int) -> EvaluationRequest | None:
        """Return what a member asked the holders to evaluate; None if there is no such request."""
        member, epoch, count, link, linked, root = _values(self._ask("EvaluationLog", "requestAt", number))
        if not member:
            return None
        return EvaluationRequest(number, member, epoch, count, bytes(root), linked if link else None, 0)

    def evaluation_number(self, member: int, root: bytes) -> int:
        """Return the number of a member's request with a root; 0 if it made none."""
        return int(self._ask("EvaluationLog", "numberOf", member, root))

    def evaluation_requests(self) -> list[EvaluationRequest]:
        """Return every request for evaluations, oldest first.

        Raises
        ------
        ChainError
            When the node leaves out a request.
        """
        found: dict[int, EvaluationRequest] = {}
        for name, args, entry in self._events("EvaluationLog", ("EvaluationRequested", "LinkRequested")):
            number = args["number"]
            if name == "EvaluationRequested":
                found[number] = EvaluationRequest(
                    number,
                    args["member"],
                    args["epoch"],
                    args["count"],
                    bytes(args["root"]),
                    None,
                    int(entry["blockNumber"]),
                )
            elif number in found:
                found[number] = replace(found[number], linked_epoch=args["linkedEpoch"])
        count = int(self._ask("EvaluationLog", "requestCount"))
        if sorted(found) != list(range(1, count + 1)):
            raise self._incomplete(f"{count - len(found)} of {count} requests for evaluations")
        return [found[number] for number in sorted(found)]

    def evaluations_left(self, member: int) -> tuple[int, int]:
        """Return how many evaluations a member has left: today, and granted beyond."""
        today, granted = self._ask("EvaluationLog", "left", member)
        return int(today), int(granted)

    def is_link_approved(self, number: int, account: str) -> bool:
        """Return whether a holder approved that two epochs are linked for a request."""
        return bool(self._ask("EvaluationLog", "isLinkApproved", number, Web3.to_checksum_address(account)))


def _started(args: dict[str, Any], block: int) -> Ceremony:
    holders = [_values(holder) for holder in args["holders"]]
    return Ceremony(
        number=args["number"],
        epoch=args["epoch"],
        generation=args["generation"],
        threshold=args["threshold"],
        accounts=tuple(str(account) for account, _ in holders),
        encryption_keys=tuple(bytes(key) for _, key in holders),
        dealers=tuple(args["dealers"]),
        status="running",
        commitments={},
        contributions={},
        confirmed=(),
        result=b"",
        complaint=None,
        block=block,
    )


def _after(known: Ceremony, name: str, args: dict[str, Any]) -> Ceremony:
    """Return a ceremony after one more event of it."""
    if name == "CeremonyCommitted":
        return replace(known, commitments={**known.commitments, args["dealer"]: bytes(args["commitment"])})
    if name == "CeremonyDealt":
        dealt = {**known.contributions, args["dealer"]: bytes(args["contribution"])}
        return replace(known, contributions=dealt)
    if name == "CeremonyConfirmed":
        return replace(known, confirmed=(*known.confirmed, args["holder"]), result=bytes(args["resultHash"]))
    if name == "CeremonyCompleted":
        return replace(known, status="completed")
    complaint = args["holder"], args["dealer"], bytes(args["evidence"])
    return replace(known, status="failed", complaint=complaint)


def _value(answer: Any, name: str, position: int) -> Any:
    return answer[name] if hasattr(answer, "keys") else answer[position]


def _values(answer: Any) -> tuple[Any, ...]:
    return tuple(answer.values()) if hasattr(answer, "values") else tuple(answer)
