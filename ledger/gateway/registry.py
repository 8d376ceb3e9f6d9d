"""Read the registries on the chain: members, readers, epochs, policies, and the rule book."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from web3 import Web3

from ledger.encoding.evaluation import EpochKey
from ledger.errors import ChainError
from ledger.gateway.connection import Connection
from ledger.gateway.records import Epoch, Member, MemberAccount, Reader, RuleSetDocument, RuleSetStep
from ledger.transport import quoted

__all__ = ["Registry", "address_bytes", "member_keys"]

_STATUS: Final = ("none", "active", "suspended", "revoked", "replaced")
_STANDING: Final = {
    "MemberSuspended": "suspended",
    "MemberReinstated": "active",
    "MemberRevoked": "revoked",
}


#: Events of the rule book: the step, and the rule set's status after it (None: unchanged).
_STEPS: Final[dict[str, tuple[str, str | None]]] = {
    "RuleSetDrafted": ("drafted", "drafted"),
    "RuleSetBacktested": ("backtested", None),
    "RuleSetSubmitted": ("submitted", "proposed"),
    "RuleSetProposed": ("proposed", "proposed"),
    "RuleSetApproved": ("approved", None),
    "RuleSetActivated": ("activated", "active"),
    "RuleSetSuperseded": ("superseded", "superseded"),
    "RuleSetWithdrawalApproved": ("withdrawal approved", None),
    "RuleSetWithdrawn": ("withdrawn", "withdrawn"),
}


class Registry(Connection):
    """Reads the registries of the consortium and of its rule book."""

    def members(self) -> list[Member]:
        """Return every member that was ever admitted, sorted by code."""
        found: dict[int, Member] = {}
        count = self._ask("Consortium", "memberCount")
        for name, args, entry in self._events(
            "Consortium", ("MemberAdmitted", "MemberKeysChanged", *_STANDING)
        ):
            code = args["code"]
            if code != len(found) + 1 if name == "MemberAdmitted" else code not in found:
                raise self._incomplete("a member's admission", block=entry["blockNumber"])
            if name == "MemberAdmitted":
                found[code] = Member(code, args["account"], args["agent"], "active", *member_keys(args))
            elif name == "MemberKeysChanged":
                x25519, hpke, witness = member_keys(args)
                found[code] = replace(
                    found[code],
                    account=args["newAccount"],
                    x25519_key=x25519,
                    hpke_key=hpke,
                    witness_key=witness,
                )
            else:
                found[code] = replace(found[code], status=_STANDING[name])
        if len(found) < count:
            raise self._incomplete(f"{count - len(found)} of {count} members")
        return [found[code] for code in sorted(found)]

    def accounts(self) -> list[MemberAccount]:
        """Return every account that is or was a member's, with the bank's own signatures, oldest first."""
        found: dict[bytes, MemberAccount] = {}
        for name, args, entry in self._events("Consortium", ("MemberAdmitted", "MemberKeysChanged")):
            account, keys = address_bytes(args["account"]), member_keys(args)
            block = int(entry["blockNumber"])
            if name == "MemberAdmitted":
                signature = bytes(args["signature"])
                code, agent = args["code"], args["agent"]
                found[account] = MemberAccount(code, agent, account, *keys, signature, since=block)
                continue
            if account not in found:
                raise self._incomplete("a member's admission", block=block)
            new, agent = address_bytes(args["newAccount"]), found[account].agent
            signatures = bytes(args["signature"]), account, bytes(args["newSignature"])
            if new != account:
                found[new] = MemberAccount(
                    args["code"], agent, new, *keys, *signatures, nonce=args["nonce"], since=block
                )
            else:  # keys that change alone leave the admission as the account's origin
                found[account] = replace(found[account], since=block)
        return list(found.values())

    def member(self, account: str) -> Member:
        """Return one account's membership; its status is ``none`` when it was never admitted."""
        with self._speaking():
            return self._member(account)

    def _member(self, account: str) -> Member:
        address = Web3.to_checksum_address(account)
        code, status, agent, *keys = self._contracts["Consortium"].functions.memberOf(address).call()
        return Member(code, address, agent, _STATUS[status], *map(bytes, keys))

    def role(self, name: str) -> bytes:
        """Return a role's identifier, for `grantRole` and `revokeRole`."""
        return bytes(self._ask("Consortium", name))

    def reader_keys(self) -> frozenset[bytes]:
        """Return the identifiers of all reader keys ever registered on the chain, also of removed ones."""
        return frozenset(bytes(args["keyId"]) for _, args, _ in self._events("Consortium", ("ReaderAdded",)))

    def readers(self) -> list[Reader]:
        """Return the current readers."""
        current: dict[bytes, Reader] = {}
        for name, args, _ in self._events("Consortium", ("ReaderAdded", "ReaderRemoved")):
            key_id = bytes(args["keyId"])
            if name == "ReaderAdded":
                current[key_id] = Reader(key_id, bytes(args["hpkeKey"]), args["epoch"], args["label"])
            else:
                current.pop(key_id, None)
        for key_id, reader in current.items():
            if not self._ask("Consortium", "isReader", key_id):
                raise self._incomplete(f"that the reader {quoted(reader.label)} was removed")
        return list(current.values())

    def epochs(self) -> list[Epoch]:
        """Return every epoch of the pseudonym key, oldest first; see `ledger.encoding.epochs`."""
        current = self._ask("PseudonymKeys", "currentEpoch")
        opened, newest = [], {}
        for name, args, _ in self._events("PseudonymKeys", ("EpochOpened", "CeremonyCompleted")):
            if name == "EpochOpened":
                opened.append(args)
            else:
                newest[args["epoch"]] = args
        if current not in {0, *(args["epoch"] for args in opened)}:
            raise self._incomplete(f"the opening of epoch {current}")
        found = []
        for args in opened:
            shares = newest.get(args["epoch"])
            if shares is None or shares["publicKey"] != args["publicKey"]:
                raise self._incomplete(f"the ceremony of the key of epoch {args['epoch']}")
            found.append(
                Epoch(
                    args["epoch"],
                    args["startsAt"],
                    bytes(args["publicKey"]),
                    shares["generation"],
                    tuple(bytes(share) for share in shares["shareCommitments"]),
                )
            )
        return found

    def epoch_keys(self) -> list[EpochKey]:
        """Return the public side of the pseudonym key: one for each epoch and generation of its shares."""
        return [
            EpochKey(
                args["epoch"],
                args["generation"],
                bytes(args["publicKey"]),
                tuple(bytes(share) for share in args["shareCommitments"]),
            )
            for _, args, _ in self._events("PseudonymKeys", ("CeremonyCompleted",))
        ]

    def epoch(self) -> Epoch:
        """Return the newest epoch of the pseudonym key.

        Raises
        ------
        ChainError
            When no epoch is open yet.
        """
        found = self.epochs()
        if not found:
            raise ChainError(
                "no epoch of the pseudonym key is open yet",
                next_step="A member proposes one: `counterfoil consortium epoch`.",
            )
        return found[-1]

    def policies(self, *, at: int | None = None) -> dict[bytes, bytes]:
        """Return the policy documents by hash, oldest first: all, or those published up to block `at`."""
        found = {}
        active = bytes(self._ask("Consortium", "activePolicy", block=at))
        for _, args, _ in self._events("Consortium", ("PolicyPublished",), last=at):
            document = bytes(args["document"])
            if sha256(document).digest() != bytes(args["policyHash"]):
                raise self._incomplete(f"the true text of policy {args['number']}")
            found[bytes(args["policyHash"])] = document
        if active != bytes(32) and active not in found:
            raise self._incomplete("the policy in force")
        return found

    def active_policy(self, *, at: int | None = None) -> bytes:
        """Return the document of the policy in force, now or at block `at`.

        Raises
        ------
        ChainError
            When no policy was published yet.
        """
        documents = list(self.policies(at=at).values())
        if not documents:
            raise ChainError(
                "no encoding policy is published yet",
                next_step="A member proposes one: `counterfoil consortium policy`.",
            )
        return documents[-1]

    def rule_sets(self) -> list[RuleSetDocument]:
        """Return every rule set on the chain with its history, in the order of their first step.

        Raises
        ------
        ChainError
            When the node leaves out a step, or returns a document that does not match its hash.
        """
        current, version = self._ask("RuleBook", "activeRuleSet")
        found: dict[bytes, RuleSetDocument] = {}
        for name, args, entry in self._events("RuleBook", tuple(_STEPS)):
            key, (what, status) = bytes(args["ruleSetHash"]), _STEPS[name]
            actor = args.get("author") or args.get("officer") or ""
            report = bytes(args.get("report", b""))
            step = RuleSetStep(key, what, actor, int(entry["blockNumber"]), report)
            if "document" in args:
                document, before = bytes(args["document"]), bytes(args.get("previous", b""))
                if sha256(document).digest() != key:
                    raise self._incomplete(f"the true text of rule set {key.hex()[:12]}")
                previous = before if before.strip(b"\0") else None
                keys = tuple(bytes(rule) for rule in args["ruleKeys"])
                found[key] = RuleSetDocument(key, document, actor, None, previous=previous, rule_keys=keys)
            if key not in found:
                raise self._incomplete(f"the draft of rule set {key.hex()[:12]}")
            known = found[key]
            found[key] = replace(
                known,
                status=status or known.status,
                version=args.get("version", known.version),
                steps=(*known.steps, step),
            )
        active = [entry.hash for entry in found.values() if entry.status == "active"]
        if active != ([] if bytes(current) == bytes(32) else [bytes(current)]):
            raise self._incomplete(f"a step of the rule sets: version {version} is the newest")
        return list(found.values())

    def active_rule_set(self) -> RuleSetDocument | None:
        """Return the rule set in force; None before the first activation and after a withdrawal."""
        return next((entry for entry in self.rule_sets() if entry.status == "active"), None)


def member_keys(args: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    """Return the X25519, HPKE and witness keys in the arguments of an event."""
    return bytes(args["x25519Key"]), bytes(args["hpkeKey"]), bytes(args["witnessKey"])


def address_bytes(text: str) -> bytes:
    """Return an address as 20 bytes."""
    return bytes.fromhex(text[2:])
