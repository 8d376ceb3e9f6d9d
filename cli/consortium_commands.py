"""``counterfoil consortium``: found one on a chain, and say what the chain knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cli.consortium import activate_rules, connect, found, open_epoch, publish_policy
from cli.local import chain_url
from cli.output import Settings, emit, say, settings, show_table
from ledger.encoding.keyholder import create_epoch, epochs
from ledger.encoding.policy import Policy
from ledger.gateway import Gateway

if TYPE_CHECKING:
    from compliance.ruleset import RuleSet

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
    """Deploy the contracts, make the desk's and the officers' keys, and put the model rulebook in force."""
    from compliance.rulebook import model_ruleset

    options = settings(context)
    gateway = establish(options, options.chain or chain_url(options.home), model_ruleset())
    say(f"The consortium stands on chain {gateway.deployment.chain_id}; auditors pin {options.home.trust}.")
    say("Next: `counterfoil keyholder serve`, then `counterfoil member init AGENT` for each bank.")


@app.command()
def status(context: typer.Context) -> None:
    """Say who takes part and what is in force."""
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
        facts = [(k, str(v)) for k, v in value.items() if k != "members"]
        show_table("Consortium", ["", "value"], facts)
        members = [(str(m.code), m.agent, m.status, m.account) for m in gateway.members()]
        show_table("Members", ["code", "agent", "status", "account"], members)

    emit(options, value, render)
