"""The one place that speaks web3: everything the ledger reads from a chain and writes to it.

The seam to any chain is a JSON-RPC URL, so the same code runs on the embedded chain, anvil, geth or Besu.
`connection` holds the endpoint to what it should be, `registry` reads who and what is on record, `log` the
batches and cases, `writing` sends; `records` is what they return, `refusals` a contract's reasons in words.
"""

from __future__ import annotations

from ledger.gateway import lean  # noqa: F401 - before every import of web3
from ledger.gateway.log import Log
from ledger.gateway.records import (
    CaseEntry,
    Epoch,
    Member,
    PostedBatch,
    Reader,
    RuleSetDocument,
    RuleSetStep,
    SignedTransaction,
)
from ledger.gateway.registry import Registry
from ledger.gateway.writing import Writing

__all__ = [
    "CaseEntry",
    "Epoch",
    "Gateway",
    "Member",
    "PostedBatch",
    "Reader",
    "RuleSetDocument",
    "RuleSetStep",
    "SignedTransaction",
]


class Gateway(Registry, Log, Writing):
    """A connection to one consortium on one chain.

    Parameters
    ----------
    url : str
        JSON-RPC endpoint.
    deployment : Deployment
        What must be found there.
    timeout : float
        Seconds to wait for the whole of an answer.

    Raises
    ------
    ChainUnreachableError
        When nothing answers.
    WrongChainError
        When another chain answers, or the contracts are not the ones of this consortium.
    """
