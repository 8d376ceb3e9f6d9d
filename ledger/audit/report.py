"""The working paper of an auditor: what was checked, against which trust file, and what was not proven.

It is one HTML page without scripts and other files, which a browser also prints as PDF, or a CSV table with
one line for each check. The content depends only on the file, the trust file, the version and the given date.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from typing import Final

from ledger.audit.statement import Check, Outcome, Result, checks, failures, not_proven, quorum
from ledger.audit.trust import Trust
from ledger.errors import VerificationError

__all__ = ["WorkingPaper", "working_paper"]

_COLUMNS: Final = ("number", "item", "check", "result", "finding", "rests on")
#: A spreadsheet computes a cell that begins with one of these.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

#: A browser loads nothing, and runs no script.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE: Final = """
:root{color-scheme:light dark;--line:#8888;--bad:#b00020;--word:#8a5a00;--good:#1b6e35}
@media (prefers-color-scheme:dark){:root{--bad:#ff8a80;--word:#ffcc80;--good:#a5d6a7}}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .5rem;border-bottom:1px solid var(--line)}
td{overflow-wrap:anywhere}th{white-space:nowrap}
.bad{color:var(--bad)}.word{color:var(--word)}.good{color:var(--good)}
@media print{:root{color-scheme:light;--bad:#b00020;--word:#8a5a00;--good:#1b6e35}
body{margin:0;max-width:none;font-size:9pt}thead{display:table-header-group}
tr,li{break-inside:avoid}h2{break-after:avoid}@page{size:A4;margin:15mm}}
"""

_CLASS: Final = {
    Outcome.PROVEN: "good",
    Outcome.INTERVAL: "word",
    Outcome.WORD: "word",
    Outcome.NOT_PROVEN: "bad",
    Outcome.FAILED: "bad",
}


@dataclass(frozen=True, slots=True)
class WorkingPaper:
    """What an auditor keeps of the verification of one file.

    Parameters
    ----------
    facts : tuple of (str, str)
        The file, the trust file, the version, the date and the result.
    checks : tuple of Check
    not_proven : tuple of str
        Sentences.
    """

    facts: tuple[tuple[str, str], ...]
    checks: tuple[Check, ...]
    not_proven: tuple[str, ...]

    @property
    def totals(self) -> tuple[tuple[str, int], ...]:
        """The number of checks by result."""
        counted = Counter(check.outcome for check in self.checks)
        return tuple((outcome.value, counted[outcome]) for outcome in Outcome)

    @property
    def exceptions(self) -> tuple[Check, ...]:
        """The checks whose result is an exception: what does not verify, and what is not proven."""
        bad = (Outcome.FAILED, Outcome.NOT_PROVEN)
        return tuple(check for check in self.checks if check.outcome in bad)

    def to_html(self) -> str:
        """Return the paper as one HTML page."""
        body = [
            "<h1>Working paper: verification of a proof</h1>",
            _table(("", ""), self.facts),
            "<h2>Totals</h2>",
            _table(("result", "checks"), [(name, str(count)) for name, count in self.totals]),
            "<h2>Exceptions</h2>",
            _list([f"{c.item}: {c.name}: {c.detail}" for c in self.exceptions], "There is no exception."),
            "<h2>What was not proven</h2>",
            _list(self.not_proven, "Nothing was proven." if self._failed else "Nothing is left open."),
            "<h2>Checks</h2>",
            self._check_table(),
        ]
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            f"<title>Working paper</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
            + "\n".join(body)
            + "\n</body>\n</html>\n"
        )

    def to_csv(self) -> str:
        """Return the paper as CSV (RFC 4180): the facts, the checks, and what was not proven.

        A cell that a spreadsheet would compute as a formula begins with an apostrophe.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(_COLUMNS)
        lines: list[Sequence[str]] = [("file", name, "", value, "") for name, value in self.facts]
        lines += [(c.item, c.name, c.outcome.value, c.detail, c.rests_on) for c in self.checks]
        lines += [("file", "not proven", Outcome.NOT_PROVEN.value, said, "") for said in self.not_proven]
        for number, line in enumerate(lines, 1):
            writer.writerow([str(number), *map(_cell, line)])
        return text.getvalue()

    @property
    def _failed(self) -> bool:
        return any(check.outcome is Outcome.FAILED for check in self.checks)

    def _check_table(self) -> str:
        rows = [
            f'<tr><td>{number}</td><td>{_text(c.item)}</td><td>{_text(c.name)}</td><td class="'
            f'{_CLASS[c.outcome]}">{_text(c.outcome.value)}</td><td>{_text(c.detail)}</td>'
            f"<td>{_text(c.rests_on)}</td></tr>"
            for number, c in enumerate(self.checks, 1)
        ]
        head = "".join(f"<th>{_text(name)}</th>" for name in _COLUMNS)
        return f"<table><thead><tr>{head}</tr></thead><tbody>\n" + "\n".join(rows) + "\n</tbody></table>"


def working_paper(
    result: Result | VerificationError,
    trust: Trust,
    *,
    name: str,
    data: bytes,
    version: str,
    date: datetime,
) -> WorkingPaper:
    """Make the working paper of the verification of a file.

    Parameters
    ----------
    result : Verified, OpenedCheckpoint, VerifiedBundle or VerificationError
        What the verification returned, or the error that it raised.
    trust : Trust
    name : str
        Name of the file.
    data : bytes
        Its content.
    version : str
        Version of the program.
    date : datetime
        When the file was verified, with a time zone.
    """
    failed = isinstance(result, VerificationError)
    found = failures(result) if isinstance(result, VerificationError) else checks(result, trust)
    deployment = trust.deployment
    facts = (
        ("result", "does not verify" if failed else "verified"),
        ("file", name),
        ("SHA-256 of the file", sha256(data).hexdigest()),
        ("consortium", deployment.name),
        ("fingerprint of the trust file", trust.fingerprint),
        ("witnesses required", quorum(trust.policy)),
        ("program", f"counterfoil {version}"),
        ("date", date.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")),
    )
    if isinstance(result, VerificationError):
        open_points = ["Nothing in the file is proven: it does not verify as a whole."]
    else:
        open_points = not_proven(result, trust)
    return WorkingPaper(facts, tuple(found), tuple(open_points))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in columns) if any(columns) else ""
    body = "\n".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>\n{body}\n</tbody></table>"


def _list(items: Sequence[str], empty: str) -> str:
    if not items:
        return f"<p>{_text(empty)}</p>"
    return "<ul>\n" + "\n".join(f"<li>{_text(item)}</li>" for item in items) + "\n</ul>"


def _text(value: str) -> str:
    """Escape a text, and show characters that could change how others are read, as their numbers."""
    return escape("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in value), quote=True)


def _cell(value: str) -> str:
    plain = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in value)
    return f"'{plain}" if plain.startswith(_FORMULA) else plain
