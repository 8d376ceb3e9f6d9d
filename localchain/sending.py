"""Sends a transaction to a node that may ask for patience."""

from __future__ import annotations

import time
from typing import Any

from eth_typing import HexStr
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import Web3RPCError

__all__ = ["send_raw"]

_WAIT_SECONDS = 120.0


def send_raw(web3: Web3, raw: bytes, *, wait: float = _WAIT_SECONDS) -> HexBytes:
    """Send a signed transaction; send it again when the node says that the account must wait.

    Parameters
    ----------
    web3 : Web3
    raw : bytes
    wait : float
        Seconds to be patient for.

    Returns
    -------
    HexBytes
        Hash of the transaction, 32 bytes.

    Raises
    ------
    Web3RPCError
        If the node refuses the transaction, or has asked for patience for too long.
    """
    deadline = time.monotonic() + wait
    while True:
        try:
            return web3.eth.send_raw_transaction(HexStr("0x" + raw.hex()))
        except Web3RPCError as problem:
            seconds = _asked_patience(problem)
            if seconds is None or time.monotonic() + seconds > deadline:
                raise
            time.sleep(seconds)


def _asked_patience(problem: Web3RPCError) -> float | None:
    answer: Any = problem.rpc_response
    data = answer["error"].get("data") if answer else None
    seconds = data.get("retryAfterSeconds") if isinstance(data, dict) else None
    return seconds if isinstance(seconds, int) and seconds > 0 else None
