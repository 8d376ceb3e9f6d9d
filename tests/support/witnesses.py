"""Witnesses of a small consortium, each with a state folder of its own, served over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from api.witness import create_app
from counterfoil.witness import MemberWitness
from counterfoil.witnesses import name_witnesses
from ledger.home import Home
from ledger.storage import write_atomically
from tests.support.consortium import SmallConsortium
from tests.support.served import served

__all__ = ["bank_witness", "witnessed"]


def bank_witness(consortium: SmallConsortium, bank: str, folder: Path) -> MemberWitness:
    """Return a bank's witness, whose folder has only the deployment, the policy and the bank's keys."""
    home = Home(folder)
    for source, target in (
        (consortium.home.deployment, home.deployment),
        (consortium.home.policy, home.policy),
        (consortium.home.member(bank).keys, home.member(bank).keys),
    ):
        write_atomically(target, source.read_bytes())
    return MemberWitness(bank, home, chain=consortium.url)


@contextmanager
def witnessed(
    consortium: SmallConsortium, folder: Path, *, banks: Sequence[str], quorum: int
) -> Iterator[dict[str, MemberWitness]]:
    """Serve the witnesses of some banks, and name them in the policy of the consortium."""
    with ExitStack() as stack:
        made = {bank: bank_witness(consortium, bank, folder / bank) for bank in banks}
        urls = {bank: stack.enter_context(served(create_app(made[bank].witness()))) for bank in banks}
        name_witnesses(consortium.home, consortium.gateway, urls, quorum=quorum)
        yield made
