"""Compare the published verdicts with those that an auditor's own reader key gives.

A verdict depends on the chain and on what the reader's key opens. So whoever has a reader key can compute
the verdict log again. A batch that is sealed to none of the auditor's keys cannot be judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ledger.audit.differences import Difference
from ledger.audit.trust import Trust
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
    VerificationError
        When the published log does not verify.
    """
    if published is None:
        return ()
    log = published_log(published, "verdicts", trust.policy, trust.deployment.verdict_origin)
    found = []
    for number, entry in enumerate(log.tiles.entries(0, log.checkpoint.size)):
        where = f"verdict {number}"
        if number >= len(own):
            found.append(Difference(where, "the chain has no batch for it"))
            break
        theirs, mine = parse_verdict(entry), parse_verdict(own[number])
        if theirs != mine and mine.reason is not Reason.SEAL:
            what = f"the desk says {_said(theirs.reason)}; the rows say {_said(mine.reason)}"
            found.append(Difference(where, what))
    return tuple(found)


def _said(reason: Reason | None) -> str:
    return "accepted" if reason is None else f"kept apart: {reason.text}"
