"""A durable Ethereum chain on one machine, served as JSON-RPC over HTTP: py-evm on one SQLite file.

Several processes use it through its URL; a killed process loses no acknowledged transaction. Start it with
`python -m localchain.server --home DIR` or `localchain.server.serve`; `status` describes a chain.

- `server.py`: the HTTP server on loopback, start and stop; `home.py`: the folder, its lock, `status`.
- `rpc.py`: JSON-RPC requests; `methods.py`: the supported methods; `formats.py`: their JSON formats.
- `chain.py`: executes transactions, makes blocks, answers calls; `admission.py`: refuses transactions.
- `database.py`: SQLite as py-evm's store; `index.py`: index of transactions and logs; `borrowing.py`: stores
  a payload once that is in a transaction and in its log.
- `backup.py`: backs up a chain, also while it runs, and restores it; `check.py`: verifies a chain's file;
  `rewind.py`: for development, drops the last blocks.
- `genesis.py`: block 0 and the key of the faucet (the prefunded account).
- `documents.py`: the fields of the JSON files in the folder.
- `deploy.py`: deploys the four contracts to any chain; `faucet.py`: funds accounts.
- `errors.py`: the errors.
"""

from __future__ import annotations

from localchain.home import status

__all__ = ["status"]
