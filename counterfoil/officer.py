"""A compliance officer: decides on flags, drafts and approves rule sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from counterfoil import caseload, founding
from counterfoil.accounts import PartyAccount
from counterfoil.checking import bank_homes, rate_table
from counterfoil.connection import DEFAULT_HOME, Connection, as_home
from counterfoil.extras import needs
from counterfoil.rules import chosen, read_texts, with_active
from ledger.errors import InputError, VerificationError
from ledger.home import Home
from ledger.signing import AccountKey, address_of

if TYPE_CHECKING:
    from compliance.backtest import Backtest
    from compliance.ruleset import RuleSet
    from ledger.encoding.policy import Policy
    from ledger.gateway import Gateway, RuleSetDocument
    from ledger.reader.decisions import KeptDecision

__all__ = ["Officer", "Withdrawal", "append_decision"]

Withdrawal = Literal["withdrawn", "no longer in force", "waiting"]


@needs("desk")
class Officer:
    """An officer whose key is in the state folder.

    Parameters
    ----------
    home : Home or path
        The state folder.
    number : int
        Number of the officer on this machine, from 1.
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.
    note : callable, optional
        Called with each remark on a text, and for each entry of the case log that cannot be read.
    """

    def __init__(
        self,
        home: Home | Path | str = DEFAULT_HOME,
        *,
        number: int = 1,
        chain: str | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.home = as_home(home)
        self.number = number
        self._note = note
        self._connection = Connection(self.home, chain)

    def gateway(self) -> Gateway:
        """Return a connection to the consortium's contracts; raises as `Connection.gateway` does."""
        return self._connection.gateway()

    # -- flags ------------------------------------------------------------------------------------------

    def decide(
        self,
        prefix: str,
        verdict: str,
        *,
        reason: str,
    ) -> tuple[str, list[KeptDecision]]:
        """Decide on a flag; the decision is encrypted and written to the case log on the chain.

        A later decision replaces an earlier one; all decisions stay on the chain.

        Parameters
        ----------
        prefix : str
            First hex digits of the flag's identifier.
        verdict : {"suspicious", "not_suspicious"}
        reason : str
            The reason; it is encrypted with the decision for the desk and the officer.

        Returns
        -------
        (str, list of KeptDecision)
            The flag's identifier (hex), and its decisions, oldest first.

        Raises
        ------
        InputError
            When the flag is unknown or not on the chain yet, or the reason is empty or too long.
        """
        if not reason.strip():
            raise InputError("a decision needs a reason", next_step="Give the reason with --reason.")
        with caseload.flag_book(self.home) as book:
            kept = book.find(prefix)
        if kept.block is None:
            raise InputError(
                "the flag is not on the chain yet",
                where=kept.flag_id.hex(),
                next_step="Run `counterfoil desk scan` or `counterfoil desk check`; both write flags.",
            )
        gateway = self.gateway()
        own = self._account()
        append_decision(gateway, own.key, kept.flag_id, verdict, reason, reader_key=own.reader)
        caseload.read_decisions(self.home, gateway, self._note)
        with caseload.decision_book(self.home) as decisions:
            return kept.flag_id.hex(), decisions.of(kept.flag_id)

    # -- rule sets --------------------------------------------------------------------------------------

    def draft(
        self, texts: Sequence[Path], *, jurisdiction: str | None = None, alone: bool = False
    ) -> RuleSet:
        """Draft a rule set from these texts and from the rules in force of other texts.

        Parameters
        ----------
        texts : sequence of Path
            Regulation texts.
        jurisdiction : str, optional
            Country (two letters); it decides the currency of a bare "$". By default it is read from the text.
        alone : bool
            Leave out the rules in force that come from other texts.
        """
        newer = self._read(texts, jurisdiction, undecided=True)
        ruleset, previous = with_active(self.gateway(), newer, alone=alone)
        self._act("draft", ruleset.to_bytes(), previous, list(ruleset.keys))
        return ruleset

    def edit(
        self,
        target: str,
        rule: str | None = None,
        *,
        values: Mapping[str, str] | None = None,
        since: date | None = None,
        until: date | None = None,
        remove: bool = False,
        linked_days: int | None = None,
        why: str = "",
    ) -> RuleSet:
        """Edit a draft or the rule set in force; the result is a new draft, which records the changes.

        Parameters
        ----------
        target : str
            First hex digits of a rule set's hash, or "active".
        rule : str, optional
            The rule to change; None changes the dates of all rules.
        values : mapping, optional
            Mapping of field to its new value, as text; a nested field is written with dots.
        since, until : date, optional
            First day in force, and first day no longer in force.
        remove : bool
            Remove the rule from the rule set.
        linked_days : int, optional
            Number of days within which operations count as linked.
        why : str
            The reason for the change, for the officers who approve.

        Raises
        ------
        InputError
            When nothing changes, or the rule set, rule or field does not exist.
        """
        from compliance import editing
        from compliance.ruleset import RuleSet

        before = chosen(self.gateway(), target)
        ruleset = RuleSet.from_bytes(before.document)
        if rule and remove:
            ruleset = editing.remove(ruleset, rule, why=why)
        elif rule and values:
            read = {name: editing.value_of(value) for name, value in values.items()}
            ruleset = editing.edit(ruleset, rule, read, why=why)
        if since or until:
            ruleset = editing.set_term(ruleset, rule, since=since, until=until, why=why)
        if linked_days is not None:
            ruleset = replace(ruleset, linked_days=linked_days)
        if ruleset.to_bytes() == before.document:
            raise InputError(
                "the edit changes nothing",
                next_step="Give --set, --since, --until, --remove or --linked-days.",
            )
        self._act("draft", ruleset.to_bytes(), before.hash, list(ruleset.keys))
        return ruleset

    def backtest(
        self, targets: Sequence[str], *, jurisdiction: str | None = None, record: bool = True
    ) -> tuple[Backtest, bool]:
        """Run a draft on the mirror, and compare its findings with those of the rules in force.

        Parameters
        ----------
        targets : sequence of str
            First digits of the hash of a draft, or paths of regulation texts.
        jurisdiction : str, optional
            As for `draft`.
        record : bool
            Record the report on the chain, if `targets` names a draft or a proposal.

        Returns
        -------
        (Backtest, bool)
            The report, and whether it was recorded on the chain.
        """
        from compliance.backtest import backtest
        from compliance.ruleset import RuleSet
        from ledger.encoding.policy import Policy
        from ledger.transfers.mirror import load_mirror

        gateway = self.gateway()
        texts = _texts(targets)
        known = None
        if texts is not None:
            candidate, _ = with_active(gateway, self._read(texts, jurisdiction))
        else:
            known = chosen(gateway, targets[0])
            candidate = RuleSet.from_bytes(known.document)
        active = gateway.active_rule_set()
        transfers, position = load_mirror(self.home.desk.mirror)
        report = backtest(
            candidate,
            RuleSet.from_bytes(active.document) if active else None,
            transfers,
            position,
            policy_cuts=Policy.from_document(gateway.active_policy()).cuts,
            homes=bank_homes(gateway, self.home),
            rates=rate_table(self.home),
        )
        recorded = record and known is not None and known.status in ("drafted", "proposed")
        if recorded and known is not None:
            self._act("recordBacktest", known.hash, report.to_bytes())
        return report, recorded

    def submit(self, target: str, *, leave_out: bool = False) -> RuleSet:
        """Open a draft for approval.

        Parameters
        ----------
        target : str
            First hex digits of the draft's hash.
        leave_out : bool
            Leave out the rules that need review. Otherwise they must be answered first.

        Raises
        ------
        InputError
            When rules need review and `leave_out` is not set.
        """
        from compliance.ruleset import RuleSet

        entry = chosen(self.gateway(), target)
        ruleset = RuleSet.from_bytes(entry.document)
        decided = ruleset.decided()
        if decided.rules != ruleset.rules:
            if not leave_out:
                waiting = len(ruleset.rules) - len(decided.rules)
                raise InputError(
                    f"{waiting} rules of the draft need review and cannot come into force",
                    next_step="Answer them with `counterfoil rules edit`, or submit with --leave-out.",
                )
            self._act("draft", decided.to_bytes(), entry.hash, list(decided.keys))
        self._act("submit", decided.hash)
        return decided

    def approve(
        self, targets: Sequence[str], *, jurisdiction: str | None = None
    ) -> tuple[RuleSet, Policy] | None:
        """Approve a rule set; the second officer's approval puts it in force.

        With regulation texts, the officers of this machine do every step: draft, submit, and two approvals.
        Rules that need review are left out.

        Parameters
        ----------
        targets : sequence of str
            First digits of the hash of a proposal, or paths of regulation texts.
        jurisdiction : str, optional
            As for `draft`.

        Returns
        -------
        (RuleSet, Policy) or None
            The rule set that came into force, and the policy with amount bands at its thresholds. None if a
            second officer must approve too.
        """
        gateway = self.gateway()
        texts = _texts(targets)
        wanted = None
        if texts is not None:
            ruleset, _ = with_active(gateway, self._read(texts, jurisdiction))
            founding.activate_rules(self.home, gateway, ruleset.to_bytes(), ruleset.keys)
        elif len(targets) == 1:
            entry = chosen(gateway, targets[0])
            _check_rule_keys(entry)
            wanted = entry.hash
            self._act("approve", wanted, list(entry.rule_keys))
        else:
            missing = next(target for target in targets if not Path(target).is_file())
            raise InputError("there is no such file", where=missing)
        return self._in_force(gateway, wanted)

    def _in_force(self, gateway: Gateway, wanted: bytes | None) -> tuple[RuleSet, Policy] | None:
        from compliance.ruleset import RuleSet, cuts

        active = gateway.active_rule_set()
        if active is None or (wanted is not None and active.hash != wanted):
            return None
        ruleset = RuleSet.from_bytes(active.document)
        policy = founding.publish_policy(self.home, gateway, cuts=cuts(ruleset), rule_set=ruleset.hash)
        return ruleset, policy

    def withdraw(self, target: str) -> tuple[str, Withdrawal]:
        """Withdraw the officer's own draft or proposal, or agree to withdraw the rule set in force.

        Returns
        -------
        (str, str)
            The hash of the rule set (hex), and the result: "withdrawn" (a draft or a proposal), "no longer in
            force", or "waiting" (a second officer must agree).
        """
        gateway = self.gateway()
        entry = chosen(gateway, target)
        if entry.status != "active":
            self._act("withdraw", entry.hash)
            return entry.hash.hex(), "withdrawn"
        self._act("withdrawActive", entry.hash)
        now = gateway.active_rule_set()
        gone = now is None or now.hash != entry.hash
        return entry.hash.hex(), "no longer in force" if gone else "waiting"

    def _read(self, texts: Sequence[Path], jurisdiction: str | None, *, undecided: bool = False) -> RuleSet:
        return read_texts(texts, jurisdiction, undecided=undecided, note=self._note)

    def _act(self, function: str, *arguments: Any) -> None:
        self.gateway().transact(self._key(), "RuleBook", function, *arguments)

    def _key(self) -> AccountKey:
        return self._account().key

    def _account(self) -> PartyAccount:
        return PartyAccount.load(self.home.officer(self.number), who=f"officer {self.number}")


def append_decision(
    gateway: Gateway,
    key: AccountKey,
    flag_id: bytes,
    verdict: str,
    reason: str,
    *,
    reader_key: bytes | None = None,
) -> None:
    """Encrypt a decision for the readers and the officer, and write it to the case log.

    `reader_key` opens the officer's own decisions; see `ledger.decision.seal_decision`.
    """
    from ledger.caselog import CaseKind
    from ledger.decision import Decision, seal_decision

    author = address_of(key)
    decision = Decision.make(flag_id, verdict, reason, int(datetime.now(UTC).timestamp()))
    readers = [reader.hpke_key for reader in gateway.readers()]
    payload = seal_decision(decision, author, key, readers, reader_key=reader_key)
    entry = (CaseKind.DECISION, flag_id, decision.content_hash(author), payload)
    gateway.transact(key, "CaseLog", "append", [entry])


def _texts(targets: Sequence[str]) -> list[Path] | None:
    """Return the paths of regulation texts; None if a target is not a file."""
    paths = [Path(target) for target in targets]
    return paths if all(path.is_file() for path in paths) else None


def _check_rule_keys(entry: RuleSetDocument) -> None:
    """Refuse a document whose rule keys are not those of its rules: they hide who wrote the rules."""
    from compliance.ruleset import RuleSet

    if RuleSet.from_bytes(entry.document).keys != entry.rule_keys:
        raise VerificationError(
            "the author gave other rule keys than those of the rules, so it is not known who wrote them",
            where=f"rule set {entry.hash.hex()[:12]}",
            next_step="Do not approve it; ask its author to draft it again.",
        )
