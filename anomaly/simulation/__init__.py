"""A synthetic consortium with planted laundering, for demos, tests and benchmarks. Nothing in it is real.

Start with `simulate` (tables in memory) and `write` (one CSV per member, truth tables apart), or
``python -m anomaly.simulation OUT``.

- `identifiers` IBAN, LEI, UETR with true check digits
- `world` banks, towns, parties, accounts; `ties` who usually pays whom; `clock` when
- `habits` amounts, channels, purposes: the same for ordinary and planted payments, which `rows` holds
- `households`, `commerce` ordinary life, one function per stream; `background` adds them up
- `staging` casting and timing of schemes; `scene` the chance, world, calendar and ties that all share
- `typologies` the eight planted typologies of the literature and the registry; `structuring` the others
- `lookalikes` honest schemes that look like planted ones
- `consortium` puts it together; `members` splits it by bank, with slips for matching to find
- `files` writes it

What it is not: balances are not kept (an account may pay more than it ever received), fraud other than
laundering does not occur, and results on it say how a detector does on these schemes, not on the world's.
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
