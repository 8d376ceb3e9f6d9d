"""Compare the published verdicts with those that an auditor's own reader key gives.

A verdict depends on the chain and on what the reader's key opens. So whoever has a reader key can compute
the verdict log again. A batch that is sealed to none of the auditor's keys cannot be judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ledger.audit.differences import Difference
from ledger.audit.trust import Trust
from ledger.errors import VerificationError
from ledger.log.published import published_log
from ledger.verdicts import Reason, parse_verdict

__all__ = ["compare_verdicts"]


def compare_verdicts(
    own: Sequence[bytes], published: Path | str | None, trust: Trust
) -> tuple[Difference, ...]:
    """Return the batches on which the published verdicts and the auditor's own differ.

    Parameters
    ----------
    own : sequence of bytes
        The entries of the verdict log as the auditor computed them.
    published : Path or str or None
        The folder with the desk's published logs, or the URL of the desk; None: nothing is compared.
    trust : Trust

    Raises
    ------
    ConfigurationError
        When the desk has published nothing, or does not answer.
    """
    if published is None:
        return ()
    try:
        log = published_log(published, "verdicts", trust.policy, trust.deployment.verdict_origin)
        theirs = [parse_verdict(entry) for entry in log.tiles.entries(0, log.checkpoint.size)]
    except VerificationError as error:
        return (Difference("published log verdicts", f"it does not verify: {error.what}"),)
    if len(theirs) > len(own):
        what = f"it has {len(theirs)} verdicts, the chain has {len(own)} batches"
        return (Difference("published log verdicts", what),)
    found = []
    unread = False
    for number, (said, entry) in enumerate(zip(theirs, own, strict=False)):
        mine = parse_verdict(entry)
        if said == mine:
            continue
        if mine.reason is Reason.SEAL:
            unread = True
        elif not (unread and said.reason is Reason.DUPLICATE):  # it may repeat a row that was not read
            what = f"the desk says {_said(said.reason)}; the rows say {_said(mine.reason)}"
            found.append(Difference(f"verdict {number}", what))
    return tuple(found)


def _said(reason: Reason | None) -> str:
    return "accepted" if reason is None else f"kept apart: {reason.text}"
