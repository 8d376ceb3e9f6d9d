"""A durable Ethereum chain on this machine, served as JSON-RPC: py-evm over one SQLite file.

Several processes share it through its URL, and a process killed at any moment loses nothing acknowledged.
Starting point: `python -m localchain.server --home DIR`, or `localchain.server.serve`; `status` describes a
chain from outside.

- `server.py`: HTTP on loopback, start and stop; `home.py`: the folder, its lock, `status`.
- `rpc.py`: JSON-RPC documents; `methods.py`: what clients may ask; `formats.py`: the JSON shapes.
- `chain.py`: executes, seals blocks, answers calls; `admission.py`: what is refused, and why.
- `database.py`: SQLite under py-evm; `index.py`: transactions and logs; `borrowing.py`: payloads kept once.
- `backup.py`: copies of a chain, also while it runs, and their way back; `check.py`: is a file whole;
  `rewind.py`: for development, drops the last blocks.
- `genesis.py`: block 0 and the faucet key; `documents.py`: the fields of the folder's JSON.
- `deploy.py`: the four contracts, on any chain; `faucet.py`: funds accounts.
- `errors.py`: what can go wrong.
"""

from __future__ import annotations

from localchain.home import status

__all__ = ["status"]
