"""``counterfoil consortium``: found one on a chain, and say what the chain knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cli.consortium import activate_rules, connect, found, open_epoch, publish_policy
from cli.local import chain_url
from cli.output import Settings, emit, say, settings, show_facts, show_table, tell
from ledger.encoding.keyholder import create_epoch, epochs

if TYPE_CHECKING:
    from compliance.ruleset import RuleSet
    from ledger.gateway import Gateway

__all__ = ["app", "establish"]

app = typer.Typer(
    help="Found a consortium; see its members, readers, policy and rules.", no_args_is_help=True
)


def establish(options: Settings, url: str, ruleset: RuleSet, *, epoch: int = 1) -> Gateway:
    """Deploy, open the pseudonym epoch, activate a rule set and publish the policy that its thresholds cut.

    Steps that are done already are left as they are.
    """
    from compliance.ruleset import cuts

    home = options.home
    gateway = found(home, url)
    holder = home.keyholder()
    public_key = create_epoch(holder, epoch) if epoch not in epochs(holder) else None
    if public_key is not None:
        open_epoch(home, gateway, epoch, public_key)
    if gateway.active_rule_set() is None:
        activate_rules(home, gateway, ruleset.to_bytes())
        publish_policy(home, gateway, cuts=cuts(ruleset), rule_set=ruleset.hash)
    return gateway


@app.command()
def init(context: typer.Context) -> None:
    """Deploy the contracts, make the desk's and the officers' keys, and put the model rulebook in force.

    Done once for a state folder; run again, it does what is missing.
    """
    from compliance.rulebook import model_ruleset

    options = settings(context)
    gateway = establish(options, options.chain or chain_url(options.home), model_ruleset())
    value = {
        "chain_id": gateway.deployment.chain_id,
        "url": gateway.url,
        "contracts": dict(gateway.deployment.contracts),
        "trust": str(options.home.trust),
    }
    emit(options, value, lambda: show_facts("Consortium", value.items()))
    say(f"Auditors pin {options.home.trust}: give it to them out of band.")
    say(
        f"Next: `{options.program} keyholder serve`, and `{options.program} member init AGENT` for each bank."
    )


@app.command()
def status(context: typer.Context) -> None:
    """Say who takes part and what is in force."""
    from ledger.encoding.policy import Policy

    options = settings(context)
    gateway = connect(options.home, options.chain)
    policy = Policy.from_document(gateway.active_policy())
    rules = gateway.active_rule_set()
    value = {
        "chain_id": gateway.deployment.chain_id,
        "height": gateway.height(),
        "batches": gateway.log_size(),
        "epoch": gateway.epoch().number,
        "policy": policy.hash.hex(),
        "time_unit": policy.time_unit,
        "rule_set": None if rules is None else rules.hash.hex(),
        "rule_set_version": None if rules is None else rules.version,
        "readers": [reader.label for reader in gateway.readers()],
        "members": [
            {"code": m.code, "agent": m.agent, "status": m.status, "account": m.account}
            for m in gateway.members()
        ],
    }

    def render() -> None:
        show_facts("Consortium", [(k, v) for k, v in value.items() if k != "members"])
        tell("")
        members = [(str(m.code), m.agent, m.status, m.account) for m in gateway.members()]
        show_table("Members", ["code", "agent", "status", "account"], members)

    emit(options, value, render)
