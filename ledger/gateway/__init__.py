"""The gateway to the chain: all reads and writes of the ledger; the only package that uses web3.

It connects to a chain by a JSON-RPC URL, so the same code runs on the embedded chain, anvil, geth or Besu.
`connection` checks the endpoint, `registry` reads members, readers, policies and rule sets, `governance` what
the members decide, `keys` key ceremonies and requests for evaluations, and `log` batches and cases. `ledger`
derives the entries of the ledger log, and `writing` sends transactions. `records` defines the returned
objects, and `refusals` translates a contract's errors into messages for a person.
"""

from __future__ import annotations

from ledger.gateway import lean  # noqa: F401 - before every import of web3
from ledger.gateway.governance import Governance
from ledger.gateway.keys import Keys
from ledger.gateway.ledger import Ledger, LedgerEntry
from ledger.gateway.records import (
    Call,
    CaseEntry,
    Ceremony,
    Epoch,
    EvaluationRequest,
    Founding,
    Limits,
    Member,
    MemberAccount,
    PostedBatch,
    Proposal,
    Reader,
    Rules,
    RuleSetDocument,
    RuleSetStep,
    SignedTransaction,
)
from ledger.gateway.registry import Registry
from ledger.gateway.writing import Writing

__all__ = [
    "Call",
    "CaseEntry",
    "Ceremony",
    "Epoch",
    "EvaluationRequest",
    "Founding",
    "Gateway",
    "LedgerEntry",
    "Limits",
    "Member",
    "MemberAccount",
    "PostedBatch",
    "Proposal",
    "Reader",
    "RuleSetDocument",
    "RuleSetStep",
    "Rules",
    "SignedTransaction",
]


class Gateway(Registry, Governance, Keys, Ledger, Writing):
    """A connection to one consortium on one chain.

    Parameters
    ----------
    url : str
        JSON-RPC endpoint.
    deployment : Deployment
        The chain and the contracts that the endpoint must serve.
    timeout : float
        Seconds to wait for a whole answer.

    Raises
    ------
    ChainUnreachableError
        When no node answers.
    WrongChainError
        When the node serves another chain, or does not have the contracts of this consortium.
    """
