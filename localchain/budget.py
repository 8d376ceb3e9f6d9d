"""Every limit of the embedded chain: what an account, a request or a connection may take from the others.

One process serves all members, so each kind of work has a limit, and what waits is served in fair order
(`localchain.fairness`). Only the operator can raise a limit, by starting the chain with another `Budget`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BUDGET", "Budget"]


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of one chain process.

    Attributes
    ----------
    transaction_gas : int
        Largest gas limit of a transaction: 2**24, as EIP-7825 has it. It is below half of a block, so the
        base fee never rises.
    transaction_base : int
        What a transaction costs its account besides its gas: storing a block takes about as long as the gas
        of half a full batch.
    account_gas, account_gas_per_second : int
        Gas that an account may use at once, and what it gets back in a second. A full batch (800 rows) takes
        5 M gas and the base: about 280 batches at once, and 14 a second for ever.
    account_gas_per_day : int
        Gas that an account may use in a day: about 28,000 full batches, which take 3.5 GB on the disk.
    block_seconds : float
        A block is closed when its transactions ran for so long.
    call_gas : int
        Gas of a call or an estimate beyond that of its calldata.
    call_seconds : float
        Processor time of a call, or of all runs of an estimate.
    body_bytes, body_values : int
        Largest request, and most values in it: the outbox sends 16 full batches in 4 MB.
    array_requests : int
        Most requests in one array.
    array_seconds : float
        The requests of an array are answered for so long; the rest of them get an error.
    answer_bytes : int
        Largest answer to an array; the requests beyond it get an error.
    log_bytes, log_count, log_blocks : int
        Most data, most logs and widest block range of `eth_getLogs`.
    choices : int
        Most addresses, or values of one topic, in a filter of logs.
    fee_blocks, fee_percentiles : int
        Most blocks and percentiles of `eth_feeHistory`.
    readers : int
        Requests that are read and answered at the same time, besides the block that is made.
    connections : int
        Open connections. One more closes the one that has kept the chain waiting longest.
    idle_seconds : float
        A connection may be silent for so long between two requests.
    request_seconds : float
        Time for a whole request to arrive.
    answer_seconds : float
        Time for a client to take a whole answer.
    """

    transaction_gas: int = 2**24
    transaction_base: int = 2_000_000
    account_gas: int = 2_000_000_000
    account_gas_per_second: int = 100_000_000
    account_gas_per_day: int = 200_000_000_000
    block_seconds: float = 0.5
    call_gas: int = 10_000_000
    call_seconds: float = 1.0
    body_bytes: int = 6 * 2**20
    body_values: int = 20_000
    array_requests: int = 256
    array_seconds: float = 5.0
    answer_bytes: int = 12 * 2**20
    log_bytes: int = 2 * 2**20
    log_count: int = 10_000
    log_blocks: int = 10_000
    choices: int = 100
    fee_blocks: int = 128
    fee_percentiles: int = 20
    readers: int = 2
    connections: int = 128
    idle_seconds: float = 60.0
    request_seconds: float = 15.0
    answer_seconds: float = 30.0


#: The limits of every chain that is started without others.
BUDGET = Budget()
