"""The key ceremony: holders make a pseudonym key together, or share a key anew, and trust no dealer.

A `Ceremony` describes one: it is public, and everything in it is bound into its identifier. Its two kinds
share one mechanism. Each dealer shares a secret with all receivers (`ledger.encoding.sharing`):

- *generate*: the dealers are the holders, and their secrets are random. The key is the sum of the secrets.
- *reshare*: the dealers are holders of the old generation, and their secrets are their old shares. The sum,
  with Lagrange's weights, is the old key, so the key and the pseudonyms stay. Old and new shares do not mix.
  This refreshes the shares, replaces a lost holder, changes n and t, and splits the key of a single holder.

The holders need a channel on which all see the same messages in the same order. A chain is one.

1. *Commit*: each dealer publishes the SHA-256 of its contribution.
2. *Deal*: when all have committed, each publishes its contribution (`ledger.encoding.ceremony.contribution`).
3. When all have dealt, each receiver checks every contribution. It publishes *confirm*, the hash of the
   result, or *complain*, with evidence that anybody can judge (`ledger.encoding.ceremony.outcome`).

Each failure names the guilty holder and ends the ceremony; the group starts another one without it. Nobody
continues with the rest of the dealers: then a dealer that waits until all others have dealt could decide
between two keys by failing or not. Because of the commitments, a dealer cannot fit its contribution to those
of others. All that is left to it is to stop the ceremony, which everyone sees, and which it can do once.
"""

from __future__ import annotations

from ledger.encoding.ceremony.contribution import (
    Contribution,
    contribution_size,
    encryption_key_pair,
    make_contribution,
    read_contribution,
)
from ledger.encoding.ceremony.description import (
    Ceremony,
    CeremonyError,
    Kind,
    Message,
    Party,
    Role,
    Round,
    commitment_of,
    in_rounds,
    result_hash,
)
from ledger.encoding.ceremony.outcome import BadShareError, Verdict, audit, judge_complaint, receive, result

__all__ = [
    "BadShareError",
    "Ceremony",
    "CeremonyError",
    "Contribution",
    "Kind",
    "Message",
    "Party",
    "Role",
    "Round",
    "Verdict",
    "audit",
    "commitment_of",
    "contribution_size",
    "encryption_key_pair",
    "in_rounds",
    "judge_complaint",
    "make_contribution",
    "read_contribution",
    "receive",
    "result",
    "result_hash",
]
