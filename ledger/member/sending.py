"""Send the sealed batches of the outbox until each is on the chain exactly once, also after a crash."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ledger.errors import ChainError, TransactionRejectedError
from ledger.member.keys import MemberKeys
from ledger.member.vault import SealedBatch, Vault
from ledger.signing import address_of

if TYPE_CHECKING:
    from ledger.gateway import Gateway, Member, PostedBatch

__all__ = ["Progress", "Sender", "require_active"]

#: Number of raw transactions sent to the node in one request.
SEND_WINDOW: Final = 16

#: Number of times that the fee of a batch is raised in one run; each time by a quarter at least.
_MOST_RAISES: Final = 12

#: What nodes say of a transaction that offers too little: for the base fee, for their minimum, or to replace
#: one that they have. The words are those of geth, Besu, Nethermind, Erigon, anvil and py-evm.
_ABOUT_FEE: Final = re.compile(
    r"underpriced|fee too low|fee ?cap|gas ?tip|max ?fee|base ?fee|priority fee|gas ?price|FeeTooLow",
    re.IGNORECASE,
)

Progress = Callable[[str, int, int], None]


class Sender:
    """Posts the sealed batches of one member's vault.

    Parameters
    ----------
    vault : Vault
    keys : MemberKeys
    gateway : Gateway
    """

    def __init__(self, vault: Vault, keys: MemberKeys, gateway: Gateway) -> None:
        self._vault = vault
        self._keys = keys
        self._gateway = gateway
        self._account = address_of(keys.account)
        self._agent = keys.agent

    def post(self, *, wait: float = 120.0, progress: Progress | None = None) -> int:
        """Send every sealed batch and wait until it is on the chain; return the number of batches.

        Raises
        ------
        TransactionRejectedError
            When the chain refuses a batch; it stays in the outbox.
        ChainError
            When a batch is not mined in time; run the same command again.
        """
        total = self._unconfirmed()
        raised = 0
        while window := self._vault.batches.unconfirmed(limit=SEND_WINDOW):
            pending = [batch for batch in window if not self._is_mined(batch)]
            if pending and pending[0].nonce < self._gateway.next_nonce(self._account, pending=False):
                self._renew(pending[0])
                continue
            cheap = self._too_cheap(pending)
            if pending and cheap is None:
                self._rehearse(pending[0])
                refusals = self._gateway.send([batch.raw for batch in pending], wait=wait)
                cheap = self._raise_refusal(pending, refusals, may_raise_fee=raised < _MOST_RAISES)
            if cheap is not None:
                self._raise_fee(cheap)
                raised += 1
                continue
            in_block: dict[int, dict[bytes, PostedBatch]] = {}
            for batch in window:
                block = self._await_block(batch, wait)
                if block not in in_block:
                    in_block[block] = {b.batch_hash: b for b in self._gateway.batches(block, block)}
                self._confirm(batch, in_block[block].get(batch.hash))
                if progress:
                    progress("post", total - self._unconfirmed(), total)
            raised = 0
        return total

    def _unconfirmed(self) -> int:
        sealed, on_chain = self._vault.batches.count()
        return sealed - on_chain

    def _is_mined(self, batch: SealedBatch) -> bool:
        found = self._gateway.mined(batch.transaction)
        return found is not None and found[1]

    def _renew(self, first: SealedBatch) -> None:
        """Sign batches again whose nonce is used up, because the chain refused batches after they were sent.

        This happens when the contract is paused, or the member suspended, during posting. The sealed batch
        stays unchanged, and the contract accepts a sequence number only once, so nothing is posted twice.
        """
        expected, _ = self._gateway.head_of(self._account)
        if expected != first.sequence:
            self._adopt(first)
            return
        self._rehearse(first)
        start = self._gateway.next_nonce(self._account)

        def sign(place: int, batch: SealedBatch) -> SealedBatch:
            signed = self._gateway.sign_again(self._keys.account, batch.raw, nonce=start + place)
            return replace(batch, raw=signed.raw, transaction=signed.hash, nonce=signed.nonce)

        self._vault.batches.sign_again(first.sequence, sign)

    def _adopt(self, first: SealedBatch) -> None:
        """Confirm batches that are on the chain through another transaction than the stored one."""
        if first.hash not in self._confirm_posted():
            raise self._foreign(first)

    def _confirm_posted(self) -> set[bytes]:
        """Confirm every batch of the vault that is on the chain; return the hashes of all batches there."""
        gateway = self._gateway
        posted = {b.batch_hash: b for b in gateway.batches(gateway.deployment.block, gateway.height())}
        for batch in self._vault.batches.unconfirmed():
            if batch.hash in posted:
                self._confirm(batch, posted[batch.hash])
        return set(posted)

    def leave_account(self) -> None:
        """Settle what the account before this one sealed and did not see on the chain.

        Batches that are on the chain are confirmed. The chain refuses the others for good, because they
        name an account that the bank replaced: they are dropped, and their records wait to be sealed again.
        """
        if self._vault.batches.unconfirmed(limit=1):
            self._confirm_posted()
            self._vault.batches.drop_unconfirmed()

    def _rehearse(self, batch: SealedBatch) -> None:
        """Test the batch with a call before sending it: a batch refused on the chain uses up its nonce."""
        try:
            self._gateway.rehearse_signed(self._account, batch.raw)
        except TransactionRejectedError:
            if not self._is_mined(batch):
                raise

    def _too_cheap(self, pending: Sequence[SealedBatch]) -> SealedBatch | None:
        """Return the first batch that cannot be mined, because the base fee rose above what it offers."""
        if not pending:
            return None
        base_fee = self._gateway.base_fee()
        covered = self._gateway.covers_base_fee
        return next((batch for batch in pending if not covered(batch.raw, base_fee)), None)

    def _raise_fee(self, first: SealedBatch) -> None:
        """Sign batches again with a higher fee and the same nonces, from one on; store them, then go on.

        They are stored before they are sent. If the process ends in between, and the node mines the batch
        as it was signed before, the batch is recognised by its hash (`_adopt`).
        """

        def sign(_place: int, batch: SealedBatch) -> SealedBatch:
            signed = self._gateway.sign_higher(self._keys.account, batch.raw)
            return replace(batch, raw=signed.raw, transaction=signed.hash)

        self._vault.batches.sign_again(first.sequence, sign, limit=SEND_WINDOW)

    def _raise_refusal(
        self, sent: Sequence[SealedBatch], refusals: Sequence[str | None], *, may_raise_fee: bool
    ) -> SealedBatch | None:
        """Raise the error of the first refused batch; return the batch instead if a higher fee may help."""
        for batch, refusal in zip(sent, refusals, strict=True):
            if refusal is None or self._gateway.mined(batch.transaction) is not None:
                continue
            if "already known" in refusal.lower():
                continue
            if may_raise_fee and _ABOUT_FEE.search(refusal):
                return batch
            require_active(self._gateway.member(self._account))
            raise TransactionRejectedError(
                f"the node refused the batch: {refusal}",
                where=self._where(batch),
                next_step="The batch stays sealed in the outbox; run the same command again.",
            )
        return None

    def _await_block(self, batch: SealedBatch, wait: float) -> int:
        found = self._gateway.wait_for(lambda: self._gateway.mined(batch.transaction), wait)
        if found is None:
            if not self._gateway.offers_enough(batch.raw):
                self._raise_fee(batch)  # the next run sends it with this fee
            raise ChainError(
                f"the batch was not mined within {wait:.0f} s",
                where=self._where(batch),
                next_step="It stays in the outbox; run the same command again.",
            )
        block, succeeded = found
        if not succeeded:
            require_active(self._gateway.member(self._account))
            self._gateway.rehearse_signed(self._account, batch.raw)
            raise TransactionRejectedError(
                "the chain refused the batch, but would accept it now",
                where=f"{self._where(batch)}, block {block}",
                next_step="The batch stays sealed in the outbox; run the same command again.",
            )
        return block

    def _confirm(self, batch: SealedBatch, posted: PostedBatch | None) -> None:
        if posted is None:
            raise ChainError(
                "the node reports that the batch is mined, but does not return it",
                where=self._where(batch),
                next_step="The node may still be synchronising; run the same command again.",
            )
        self._vault.batches.confirm(
            batch.sequence, block=posted.block, block_time=self._gateway.block_time(posted.block)
        )

    def _foreign(self, batch: SealedBatch) -> TransactionRejectedError:
        sequence, head = self._gateway.head_of(self._account)
        return TransactionRejectedError(
            f"the chain expects batch {sequence} of this member, after the batch {head.hex()[:16]}",
            where=self._where(batch),
            next_step="Another copy of this vault may be posting; use only one vault per member.",
        )

    def _where(self, batch: SealedBatch) -> str:
        return f"batch {batch.sequence} of {self._agent}"


def require_active(member: Member) -> Member:
    """Return the member if it may post.

    Raises
    ------
    TransactionRejectedError
        When it is not a member, suspended or revoked, or posts from another account now.
    """
    if member.status == "active":
        return member
    what = {
        "none": (
            "this account is not a member of the consortium",
            "Send the file of `counterfoil member init` to a member, which proposes the admission.",
        ),
        "suspended": (
            "this member is suspended",
            "A member proposes `counterfoil consortium reinstate`; then run the same command again; "
            "no data is lost.",
        ),
        "revoked": ("this member was revoked", "It can no longer post; its vault is unchanged."),
        "replaced": (
            "this member posts from another account now",
            "Use the keys of the new account, or complete `counterfoil keys rotate`; the vault stays.",
        ),
    }[member.status]
    raise TransactionRejectedError(what[0], where=member.agent or member.account, next_step=what[1])
