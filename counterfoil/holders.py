"""Reach the holders of the pseudonym key: by URL, in this process, or on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from counterfoil.keyholder import KeyHolder, keyholder_urls
from ledger.encoding.answers import Answer
from ledger.encoding.keyholder_client import HttpKeyHolder
from ledger.errors import CounterfoilError, KeyHolderError
from ledger.home import Home

if TYPE_CHECKING:
    from ledger.encoding.evaluation import EpochKey
    from ledger.encoding.pseudonym import Pseudonymiser
    from ledger.encoding.threshold import Holder
    from ledger.evaluation_request import Chunk
    from ledger.gateway import Epoch
    from ledger.holder.evaluating import ShareHolder
    from ledger.member.keys import MemberKeys

__all__ = ["InProcessHolder", "holders_in", "pseudonymiser_for", "reach_holders"]


class InProcessHolder:
    """A key holder that is called in this process, for one member.

    Parameters
    ----------
    holder : ShareHolder
    account : str
        The member's address.
    """

    def __init__(self, holder: ShareHolder, account: str) -> None:
        self._holder = holder
        self._account = account

    def index(self, epoch: int, generation: int) -> int | None:
        """Return the holder's index for a key; None if it has no share of it."""
        return next(
            (s.index for s in self._holder.shares() if (s.epoch, s.generation) == (epoch, generation)), None
        )

    def public_key(self, epoch: int, generation: int) -> bytes:
        """Return the public key of the holder's share."""
        for share in self._holder.shares():
            if (share.epoch, share.generation) == (epoch, generation):
                return share.public
        raise KeyHolderError(f"the key holder has no share of epoch {epoch}, generation {generation}")

    def evaluate(self, epoch: int, generation: int, chunk: Chunk) -> Answer:
        """Evaluate a chunk of a request that is anchored on the chain."""
        answer = self._holder.evaluate(self._account, chunk)
        if answer.generation != generation:
            raise KeyHolderError(
                f"the key of epoch {epoch} was shared anew",
                next_step="Run the same command again; finished pseudonyms are stored.",
            )
        return answer.answer


def reach_holders(
    home: Home,
    keys: MemberKeys,
    key: EpochKey,
    holders: Sequence[str | KeyHolder] = (),
    *,
    note: Callable[[CounterfoilError], None] | None = None,
) -> dict[int, Holder]:
    """Return the holders that have a share of a key, by their index.

    Parameters
    ----------
    home : Home
    keys : MemberKeys
        The member for which they evaluate.
    key : EpochKey
    holders : sequence of str or KeyHolder
        As for `counterfoil.Member`.
    note : callable, optional
        Called with the error of each holder that does not answer.
    """
    reached: list[HttpKeyHolder | InProcessHolder] = [
        InProcessHolder(holder.holder(), keys.address)
        if isinstance(holder, KeyHolder)
        else HttpKeyHolder(holder, keys.account)
        for holder in holders or keyholder_urls(home)
    ]

    place = key.number, key.generation

    def index_of(holder: HttpKeyHolder | InProcessHolder) -> int | None:
        try:
            index = holder.index(*place)
            if index is None or holder.public_key(*place) in key.holders[index - 1 : index]:
                return index
            raise KeyHolderError(f"a key holder says that it is holder {index}, and has another share")
        except CounterfoilError as error:
            if note is not None:
                note(error)
            return None

    with ThreadPoolExecutor(len(reached)) as pool:
        indices = list(pool.map(index_of, reached))
    return {index: holder for index, holder in zip(indices, reached, strict=True) if index is not None}


def _require_enough(key: EpochKey, reached: int, problems: Sequence[CounterfoilError]) -> None:
    """Raise an error that says why holders do not answer, if too few of them do."""
    from ledger.encoding.sharing import threshold_of

    needed = threshold_of(key.public_key, key.holders)
    if reached >= needed or not problems:
        return
    if len(problems) == 1 and len(key.holders) == 1:
        raise problems[0]
    raise KeyHolderError(
        f"{reached} of {len(key.holders)} key holders answer for epoch {key.number}, and {needed} must: "
        + "; ".join(dict.fromkeys(problem.what for problem in problems)),
        where=", ".join(problem.where for problem in problems if problem.where) or None,
        next_step="Run the same command again when more of them answer, or correct their addresses.",
    )


def holders_in(home: Home, chain: str) -> list[KeyHolder]:
    """Return the key holders of a state folder, to be called in this process: for tests and development."""
    return [KeyHolder(place, chain=chain) for place in home.keyholders()]


def pseudonymiser_for(
    home: Home,
    keys: MemberKeys,
    epoch: Epoch,
    holders: Sequence[str | KeyHolder] = (),
    *,
    note: Callable[[str], None] | None = None,
) -> Pseudonymiser:
    """Return a client of the key holders, for one member and one epoch; parameters as for `reach_holders`.

    `note` is called with a sentence for each holder that does not answer, or answers wrongly.

    Raises
    ------
    KeyHolderError
        When too few holders answer.
    """
    from ledger.encoding.evaluation import EpochKey
    from ledger.encoding.pseudonym import Pseudonymiser
    from ledger.encoding.threshold import ThresholdEvaluator

    key = EpochKey(epoch.number, epoch.generation, epoch.public_key, epoch.share_commitments)
    problems: list[CounterfoilError] = []
    reached = reach_holders(home, keys, key, holders, note=problems.append)
    tell = None if note is None else (lambda problem: note(f"{problem}"))
    if tell is not None:
        for problem in problems:
            tell(problem)
    _require_enough(key, len(reached), problems)
    return Pseudonymiser(ThresholdEvaluator(key, reached, note=tell))
