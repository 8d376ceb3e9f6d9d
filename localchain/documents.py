"""What the chain's folder says in JSON: each file's fields and their types, read strictly by msgspec.

``msgspec.json.decode(data, type=...)`` raises ValueError where a field is missing, unknown, or of another
type: `true` is not `1`, and a number is not a text.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["BackupManifest", "Endpoint", "Genesis"]

_Count = Annotated[int, Meta(ge=0)]


class Genesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the chain started from, as stored.

    Attributes
    ----------
    chain_id : int
        EIP-155 chain identifier.
    timestamp : int
        Unix time of the first block, in seconds.
    gas_limit : int
        Gas limit of every block.
    faucet : str
        Address of the prefunded account, in hexadecimal.
    """

    chain_id: _Count
    timestamp: _Count
    gas_limit: _Count
    faucet: str


class Endpoint(msgspec.Struct, forbid_unknown_fields=True):
    """Where the chain answers, and which process serves it."""

    url: str
    pid: int
    chain_id: _Count


class BackupManifest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a backup holds: the SHA-256 of its file, and the fields of `localchain.check.Summary`."""

    format: Literal["counterfoil/chain-backup/1"]
    sha256: str
    chain_id: _Count
    genesis_hash: str
    block: _Count
    block_hash: str
    state_root: str
