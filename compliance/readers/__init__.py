"""Readers: what is not words is blanked, character for character, so that every offset leads to the file.

* `tags`: HTML, and XML in which law is published (Akoma Ntoso and its like).
* `markdown`: emphasis, links, quotes, tables.
* `pages`: text taken out of a PDF: page furniture, page breaks, footnote marks.
* `pdf`: a PDF file itself (needs the extra `pdf`).

Start at `plain`.
"""

from __future__ import annotations

from compliance.readers.markdown import unmarked
from compliance.readers.pages import unfurnished
from compliance.readers.tags import NOTHING, untagged

__all__ = ["NOTHING", "plain"]


def plain(text: str) -> str:
    """Return a text of the same length in which markup and page furniture are blanks and line ends.

    The kind of text is told by the text itself, not by its name. A text without any of it comes
    back as it is.

    Raises
    ------
    InputError
        For XML that declares entities of its own.
    """
    for reader in (unfurnished, untagged, unmarked):
        text = reader(text)
    return text
