"""PDF files: their text, page by page, with form feeds between; needs the extra `pdf` (pypdf)."""

from __future__ import annotations

import io
from typing import Final

from ledger.errors import ConfigurationError, InputError

__all__ = ["pdf_text"]

_MOST_PAGES: Final = 5_000


def pdf_text(data: bytes, *, document: str) -> str:
    """Return the text of a PDF file; offsets of rules are then offsets into this text.

    Raises
    ------
    ConfigurationError
        When pypdf is not installed.
    InputError
        When the file is damaged, locked, too long, or a scan without text.
    """
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise ConfigurationError(
            "reading a PDF file needs pypdf",
            where=document,
            next_step="Install the extra: pip install 'counterfoil[pdf]', or take the text out otherwise.",
        ) from error
    try:
        pages = PdfReader(io.BytesIO(data)).pages
        if len(pages) > _MOST_PAGES:
            raise InputError(
                f"{len(pages):,} pages, more than {_MOST_PAGES:,}",
                where=document,
                next_step="Split the file by title or part.",
            )
        text = "\f".join(page.extract_text() for page in pages)
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise InputError(
            f"the PDF file cannot be read: {type(error).__name__}",
            where=document,
            next_step="Open and save it anew.",
        ) from error
    if not any(character.isalnum() for character in text):
        raise InputError(
            "the PDF file holds pictures and no text: a scan",
            where=document,
            next_step="Have its text recognised (OCR) first.",
        )
    return text
