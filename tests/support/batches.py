"""Batches made by hand: rows that pass every check, posted with a member's key, and changed by a test."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ledger.batch import BatchHeader
from ledger.commitment import merkle
from ledger.encoding.rows import ROW
from ledger.envelope import seal
from ledger.schema import ROW_VERSION, Side, TokenKind
from tests.support.consortium import EPOCH, SmallConsortium

__all__ = ["ALFA", "BRAV", "CHAR", "HOUR", "NOW", "MadeBatch", "Rows", "rows"]

ALFA, BRAV, CHAR = "ALFADEFF", "BRAVFRPP", "CHARUS33"
HOUR = 3_600

Rows = npt.NDArray[np.void]

#: The last hour that is over.
NOW = int(time.time()) // HOUR - 1


def rows(count: int, *, debtor: int = 1, creditor: int = 2) -> Rows:
    """Make packed rows that pass every check when ALFADEFF (code 1) posts them."""
    made = np.zeros(count, ROW)
    made["version"], made["side"], made["channel"] = ROW_VERSION, Side.DEBIT, 2
    made["debtor_agent"], made["creditor_agent"] = debtor, creditor
    made["currency"], made["amount_band"], made["time_bucket"] = 978, 30, NOW
    made["business_date"], made["token_kind"] = NOW // 24, TokenKind.UETR
    for name in ("debtor_account", "creditor_account", "match_token", "record_root"):
        size = ROW[name].itemsize
        made[name] = np.frombuffer(os.urandom(size * count), f"V{size}")
    return made


@dataclass
class MadeBatch:
    """A batch by a member's real key, honest but for what a test changes."""

    consortium: SmallConsortium
    bank: str = ALFA
    content: Rows = field(default_factory=lambda: rows(4))
    header: Callable[[BatchHeader], BatchHeader] = lambda header: header
    sealed_header: Callable[[BatchHeader], BatchHeader] = lambda header: header
    sealed_bytes: Callable[[bytes], bytes] = lambda data: data
    payload: Callable[[bytes], bytes] = lambda payload: payload
    recipients: list[tuple[bytes, bytes]] | None = None

    def place(self) -> BatchHeader:
        """Return the honest header of the bank's next batch."""
        gateway = self.consortium.gateway
        address = self.consortium.keys[self.bank].address
        sequence, previous = gateway.head_of(address)
        packed = [merkle.leaf_hash(row.tobytes()) for row in self.content]
        return BatchHeader(
            gateway.deployment.chain_id,
            gateway.deployment.address("BatchLedger"),
            bytes.fromhex(address[2:]),
            sequence,
            previous,
            EPOCH,
            self.consortium.policy.hash,
            len(self.content),
            merkle.root(packed),
        )

    def raw(self) -> bytes:
        """Sign the transaction."""
        gateway, keys = self.consortium.gateway, self.consortium.keys[self.bank]
        header = self.header(self.place())
        to = self.recipients or [(reader.key_id, reader.hpke_key) for reader in gateway.readers()]
        context = self.sealed_header(header).pack()
        payload = self.payload(seal(self.sealed_bytes(self.content.tobytes()), context, to))
        signature = header.sign(gateway.deployment.genesis, keys.account)
        place = header.sequence, header.previous_hash, header.epoch, header.policy_hash
        stated = (*place, header.row_count, header.rows_root)
        nonce = gateway.next_nonce(keys.address)
        return gateway.sign(keys.account, "BatchLedger", "post", stated, signature, payload, nonce=nonce).raw

    def post(self) -> int:
        """Post it and return its log index."""
        gateway = self.consortium.gateway
        index = gateway.log_size()
        assert gateway.send([self.raw()]) == [None]
        assert gateway.log_size() == index + 1, "the contract refused what a reader should have met"
        return index
