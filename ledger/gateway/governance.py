"""Read how the members decide: the founding, the proposals, the rules and the limits; encode calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from eth_abi.exceptions import DecodingError
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3Exception

from ledger.errors import ChainError, InputError
from ledger.gateway.connection import Connection
from ledger.gateway.records import Call, Founding, Limits, Proposal, Rules
from ledger.gateway.refusals import refusal
from ledger.signing import keccak256

__all__ = ["Governance"]

_PROPOSALS: Final = (
    "ProposalMade",
    "ProposalApproved",
    "ApprovalWithdrawn",
    "ProposalPassed",
    "ProposalExecuted",
    "ProposalCancelled",
)
_OFFICES: Final = ("OfficerAppointed", "OfficerDismissed")


class Governance(Connection):
    """Reads what the founder and the members decided or propose."""

    def call(self, contract: str, function: str, *arguments: Any) -> Call:
        """Return a call for a proposal or for a step of the founding."""
        source = self._contracts[contract]
        data = source.encode_abi(function, args=list(arguments))
        return self._read_call(source.address, bytes.fromhex(data.removeprefix("0x")))

    def founding(self) -> Founding:
        """Return what the founder did, and which members confirmed it."""
        digest = bytes(self._ask("Consortium", "foundingDigest"))
        steps: list[Call] = []
        confirmed: list[int] = []
        told = None
        for name, args, _ in self._events("Consortium", ("FoundingStep", "FoundingConfirmed")):
            if name == "FoundingStep":
                told, confirmed = bytes(args["digest"]), []
                steps += (self._read_call(*_pair(call)) for call in args["calls"])
            elif args["code"] not in confirmed:
                confirmed.append(args["code"])
        if told not in (None, digest):
            raise self._incomplete("a step of the founding")
        return Founding(
            founder=str(self._ask("Consortium", "founder")),
            founded=bool(self._ask("Consortium", "founded")),
            digest=digest,
            steps=tuple(steps),
            confirmed=tuple(sorted(confirmed)),
        )

    def is_founded(self) -> bool:
        """Return whether every founding member has confirmed."""
        return bool(self._ask("Consortium", "founded"))

    def is_paused(self) -> bool:
        """Return whether the consortium is paused."""
        return bool(self._ask("Consortium", "paused"))

    def rules(self) -> Rules:
        """Return how the members decide now."""
        return Rules(*_values(self._ask("Consortium", "rules")))

    def limits(self) -> Limits:
        """Return what one member may do in a day."""
        return Limits(*_values(self._ask("Consortium", "limits")))

    def quorum(self) -> tuple[int, int]:
        """Return how many approvals a proposal needs now, and how many a pause needs."""
        proposals, pauses = self._ask("Consortium", "quorum")
        return int(proposals), int(pauses)

    def key_changes(self, account: str) -> int:
        """Return how many times a member has changed its keys: the nonce of its next change."""
        return int(self._ask("Consortium", "keyChangesOf", Web3.to_checksum_address(account)))

    def officers(self) -> dict[str, int]:
        """Return the officers, and the code of the member of each."""
        found: dict[str, int] = {}
        for name, args, _ in self._events("Consortium", _OFFICES):
            if name == "OfficerAppointed":
                found[args["officer"]] = args["code"]
            else:
                found.pop(args["officer"], None)
        return found

    def proposals(self) -> list[Proposal]:
        """Return every proposal, oldest first.

        Raises
        ------
        ChainError
            When the node leaves out a proposal.
        """
        found: dict[int, Proposal] = {}
        needed = self.quorum()
        for name, args, entry in self._events("Consortium", _PROPOSALS):
            number = args["number"]
            if name == "ProposalMade":
                found[number] = self._made(args, int(entry["blockNumber"]), needed[0])
            elif number in found:
                found[number] = _after(found[number], name, args)
        count = int(self._ask("Consortium", "proposalCount"))
        if sorted(found) != list(range(1, count + 1)):
            raise self._incomplete(f"{count - len(found)} of {count} proposals")
        now = self.block_time(self.height())
        return [self._now(found[number], needed, now) for number in sorted(found)]

    def proposed_in(self, block: int, account: str) -> int:
        """Return the number of the proposal that an account made in a block."""
        code = self._ask("Consortium", "codeOf", Web3.to_checksum_address(account))
        for _, args, _ in self._events("Consortium", ("ProposalMade",), block, block):
            if args["proposer"] == code:
                return int(args["number"])
        raise self._incomplete("the proposal", block=block)

    def proposal(self, number: int) -> Proposal:
        """Return one proposal.

        Raises
        ------
        InputError
            When there is none with this number.
        """
        found = next((known for known in self.proposals() if known.number == number), None)
        if found is None:
            raise InputError(
                f"there is no proposal {number}",
                next_step="Run `counterfoil consortium proposals`, which lists all proposals.",
            )
        return found

    def _made(self, args: dict[str, Any], block: int, needed: int) -> Proposal:
        calls = [_pair(call) for call in args["calls"]]
        calls_hash = bytes(args["callsHash"])
        if keccak256(self._web3.codec.encode(["(address,bytes)[]"], [calls])) != calls_hash:
            raise self._incomplete(f"the true calls of proposal {args['number']}")
        return Proposal(
            number=args["number"],
            title=args["title"],
            proposer=args["proposer"],
            calls=tuple(self._read_call(*call) for call in calls),
            calls_hash=calls_hash,
            status="open",
            approvals=(),
            needed=needed,
            expires_at=args["expiresAt"],
            executable_at=0,
            block=block,
        )

    def _now(self, known: Proposal, needed: tuple[int, int], now: int) -> Proposal:
        """Return a proposal as the contract sees it now, if it is still open."""
        if known.status != "open":
            return known
        asked, counting = self._ask("Consortium", "proposalAt", known.number)
        _, _, urgent, _, _, executable_at, approvals = _values(asked)
        enough = executable_at and counting >= needed[bool(urgent)]
        return replace(
            known,
            status="expired" if now >= known.expires_at else "passed" if enough else "open",
            approvals=tuple(sorted(approvals)),
            needed=needed[bool(urgent)],
            executable_at=executable_at,
        )

    def _read_call(self, target: str, data: bytes) -> Call:
        """Return a call with the names of its contract, function and arguments, where they are known."""
        names = {source.address: name for name, source in self._contracts.items()}
        name = names.get(Web3.to_checksum_address(target), "")
        if not name:
            return Call("", "", (), target, data)
        try:
            function, arguments = self._contracts[name].decode_function_input(data)
        except (Web3Exception, DecodingError, ValueError):
            return Call(name, "", (), target, data)
        return Call(name, function.fn_name, tuple(arguments.items()), target, data)

    def rehearse_calls(self, calls: Sequence[Call]) -> None:
        """Ask the chain whether the consortium could make these calls now, each by itself.

        Raises
        ------
        TransactionRejectedError
            When a contract would refuse; the error explains its reason.
        """
        consortium = self._contracts["Consortium"].address
        for call in calls:
            if not call.function:
                raise ChainError("the call is not one of the consortium's contracts", where=call.target)
            try:
                with self._speaking(rehearsing=True):
                    self._web3.eth.call(
                        {
                            "from": consortium,
                            "to": Web3.to_checksum_address(call.target),
                            "data": HexBytes(call.data),
                        }
                    )
            except ContractLogicError as error:
                raise refusal(self._web3, error, f"{call.contract}.{call.function}") from error


def _after(known: Proposal, name: str, args: dict[str, Any]) -> Proposal:
    """Return a proposal after one more event of it."""
    if name == "ProposalApproved":
        return replace(known, approvals=tuple(sorted({*known.approvals, args["code"]})))
    if name == "ApprovalWithdrawn":
        return replace(known, approvals=tuple(code for code in known.approvals if code != args["code"]))
    if name == "ProposalPassed":
        return replace(known, executable_at=args["executableAt"])
    return replace(known, status=name.removeprefix("Proposal").lower())


def _pair(call: Any) -> tuple[str, bytes]:
    target, data = _values(call)
    return str(target), bytes(data)


def _values(answer: Any) -> tuple[Any, ...]:
    """Return the values of a struct, in order, whether it was decoded as a tuple or by name."""
    return tuple(answer.values()) if hasattr(answer, "values") else tuple(answer)
