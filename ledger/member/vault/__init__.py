"""The vault: a member's exact records, its pseudonym cache and its outbox, in one SQLite file.

Everything the bank must not lose is here, and everything that must happen together happens in one of this
file's transactions (WAL, synchronous=FULL). All SQL on its tables stands in this package:

- `tables.py`: the tables, and how the file is opened;
- `records.py`: `Vault`, with the records;
- `pseudonyms.py`: the cache of pseudonyms;
- `requests.py`: the requests for evaluations that are not finished;
- `elements.py`: what was blinded for the elements of a request, finished or not;
- `batches.py`: the sealed batches of the outbox.
"""

from __future__ import annotations

from ledger.member.vault.batches import SealedBatch
from ledger.member.vault.records import HeldRecord, IntakeCounts, Vault
from ledger.member.vault.requests import OpenRequest

__all__ = ["HeldRecord", "IntakeCounts", "OpenRequest", "SealedBatch", "Vault"]
