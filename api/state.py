"""The desk that the API serves, with its access tokens and its maximum lag."""

from __future__ import annotations

from typing import Final

from counterfoil import Desk
from counterfoil.tokens import TokenFile
from ledger.home import Home

__all__ = ["ServedDesk"]

_CHAIN_TIMEOUT: Final = 10.0


class ServedDesk(Desk):
    """A desk that is served over HTTP.

    Parameters
    ----------
    home : Home
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.
    max_lag : int
        Number of blocks that the mirror may lag while batches wait.
    """

    def __init__(self, home: Home, *, chain: str | None = None, max_lag: int = 16) -> None:
        super().__init__(home, chain=chain, timeout=_CHAIN_TIMEOUT)
        self.max_lag = max_lag
        self.tokens = TokenFile(home.tokens)
