"""A synthetic consortium with planted laundering, for demos, tests and benchmarks. Nothing in it is real.

Start with `simulate` (tables in memory) and `write` (one CSV per member, truth tables apart), or
``python -m anomaly.simulation OUT``.

- `identifiers` IBAN, LEI, UETR with valid check digits
- `world` banks, towns, parties, accounts; `ties` usual counterparties; `clock` times of payments
- `habits` amounts, channels, purposes: the same for ordinary and planted payments; `rows` stores payments
- `households`, `commerce` ordinary payments, one function per stream; `background` combines the streams
- `staging` accounts and times of schemes; `scene` the random generator, world, calendar and ties
- `typologies` the eight planted typologies of the literature and the registry; `structuring` the others
- `lookalikes` honest schemes that look like planted ones
- `consortium` combines all payments; `members` splits them by bank, with booking errors for matching
- `files` writes the result

Limits: balances are not kept (an account may pay more than it received), there is no fraud other than
laundering, and results show how a detector performs on these schemes, not on real ones.
"""

from anomaly.simulation.consortium import GENERATOR_VERSION, Simulation, simulate
from anomaly.simulation.files import write
from anomaly.simulation.members import identifier_pairs, member_rows, slips
from anomaly.simulation.world import Agent

__all__ = [
    "GENERATOR_VERSION",
    "Agent",
    "Simulation",
    "identifier_pairs",
    "member_rows",
    "simulate",
    "slips",
    "write",
]
