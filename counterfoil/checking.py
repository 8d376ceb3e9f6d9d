"""Run rules over transfers, with the banks' establishments and the exchange rates of the consortium."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.encoding.policy import Policy
from ledger.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

    from compliance.check import CheckRun
    from compliance.jurisdictions import Establishment
    from compliance.rates import RateTable
    from compliance.ruleset import RuleSet
    from ledger.flag import Position
    from ledger.gateway import Gateway
    from ledger.home import Home

__all__ = ["active_rules", "bank_homes", "check_transfers", "rate_table", "run_rules"]


def active_rules(gateway: Gateway) -> RuleSet:
    """Return the rule set in force.

    Raises
    ------
    ConfigurationError
        When no rule set is in force.
    """
    from compliance.ruleset import RuleSet

    active = gateway.active_rule_set()
    if active is None:
        raise ConfigurationError(
            "no rule set is in force", next_step="Approve one with `counterfoil rules approve`."
        )
    return RuleSet.from_bytes(active.document)


def bank_homes(gateway: Gateway, home: Home | None) -> dict[int, Establishment]:
    """Return the establishment of each member: from `desk/banks.csv`, or else from its BIC."""
    from compliance.jurisdictions import homes_of, read_banks

    path = home.desk.root / "banks.csv" if home else None
    table = read_banks(path) if path and path.exists() else {}
    return homes_of({member.code: member.agent for member in gateway.members()}, table)


def rate_table(home: Home | None) -> RateTable:
    """Return the exchange rates of `desk/rates.csv`; an empty table if the file does not exist."""
    from compliance.rates import RateTable

    path = home.desk.root / "rates.csv" if home else None
    return RateTable.read(path) if path and path.exists() else RateTable()


def check_transfers(
    gateway: Gateway, transfers: pa.Table, position: Position, *, home: Home | None = None
) -> CheckRun:
    """Run the rule set in force over transfers.

    Raises
    ------
    ConfigurationError
        When no rule set is in force.
    """
    return run_rules(gateway, active_rules(gateway), transfers, position, home=home)


def run_rules(
    gateway: Gateway,
    ruleset: RuleSet,
    transfers: pa.Table,
    position: Position,
    *,
    home: Home | None = None,
) -> CheckRun:
    """Run a rule set over transfers, with the establishments and exchange rates of this consortium."""
    from compliance.check import run_with_summary

    policy = Policy.from_document(gateway.active_policy())
    return run_with_summary(
        ruleset,
        transfers,
        position=position,
        policy_cuts=policy.cuts,
        homes=bank_homes(gateway, home),
        rates=rate_table(home),
    )
