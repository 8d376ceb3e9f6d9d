"""Extraction: a text to its rules, deterministic and explained to the character.

>>> document = extract_text(
...     "12 A bank shall report each transaction in currency of more than $10,000.",
...     document="sample.txt", jurisdiction="US",
... )
>>> [(r.kind, r.trigger.op, r.trigger.amount, r.trigger.currency) for r in document.rules]
[('report', 'gt', '10000', 'USD')]
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from compliance.assembly import Assembler
from compliance.atoms import passages
from compliance.citations import instrument
from compliance.clauses import read
from compliance.currencies import CURRENCY_OF, detect_jurisdiction
from compliance.model import RuleDocument
from compliance.reading import check_length, read_file
from compliance.segmenting import provisions
from ledger.errors import InputError

__all__ = ["extract_file", "extract_text"]

_HEAD = 1_000
#: How much of a text is looked at to learn whose law it is.
_SAMPLE = 200_000


def extract_text(text: str, *, document: str, jurisdiction: str | None = None) -> RuleDocument:
    """Extract the rules of a text.

    Parameters
    ----------
    text : str
        The decoded file; offsets in the result are offsets into it.
    document : str
        Its name, as it is to stand in the result.
    jurisdiction : str, optional
        Two letters ("US", "CA", "EU", "UK", ...); decides what a bare "$" means. Otherwise the prefix of the
        document's name or the way the text cites itself decides, and if neither does, such amounts are
        `needs_review`.

    Returns
    -------
    RuleDocument
        Empty, with the reason in `notes`, where there is nothing to read.

    Raises
    ------
    InputError
        For an unknown jurisdiction or a text that is too long.
    """
    check_length(text, document=document)
    if jurisdiction is not None:
        jurisdiction = jurisdiction.upper()
        if jurisdiction not in CURRENCY_OF:
            raise InputError(
                f"unknown jurisdiction {jurisdiction!r}",
                where=document,
                next_step="Give two letters such as US, CA, EU, UK or SG.",
            )
    else:
        jurisdiction = detect_jurisdiction(text[:_SAMPLE], document)
    assembler = Assembler(jurisdiction, instrument(text[:_HEAD].split("\n", 1)[0], document), text)
    words = 0
    for nodes in provisions(text):
        found = passages([node.block.text for node in nodes])
        words += sum(len(passage.words) for passage in found)
        assembler.add(read(nodes, found))
    notes = _notes(text, words, bool(assembler.rules or assembler.rejected))
    return RuleDocument(
        document=document,
        sha256=sha256(text.encode("utf-8")).hexdigest(),
        jurisdiction=jurisdiction,
        rules=tuple(assembler.rules),
        rejected=tuple(assembler.rejected),
        notes=notes,
    )


def extract_file(path: str | Path, jurisdiction: str | None = None) -> RuleDocument:
    """Extract the rules of a UTF-8 text file; `document` is the file's base name.

    Raises
    ------
    InputError
        When the file cannot be read or is not UTF-8 (naming the byte), or as for `extract_text`.
    """
    path = Path(path)
    return extract_text(read_file(path), document=path.name, jurisdiction=jurisdiction)


def _notes(text: str, words: int, anything: bool) -> tuple[str, ...]:
    if not text.strip():
        return ("the text is empty",)
    if words == 0:
        return ("the text has no words; a scan needs its text recognised first",)
    if not anything:
        return ("no amount, period, duty or exemption of English law was recognised",)
    return ()
