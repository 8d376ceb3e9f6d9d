"""Currencies: symbols, codes and names, and what a bare "$" or "dollar" means in a jurisdiction.

The tables stand in `currencies.txt`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

from ledger.errors import InputError
from ledger.money import CURRENCIES, Currency

__all__ = [
    "BEFORE_DOLLAR",
    "CURRENCY_OF",
    "NAMES",
    "SYMBOLS",
    "code_of",
    "codes",
    "detect_jurisdiction",
    "exponent",
    "known_name",
    "number",
    "resolve",
]


def _load() -> dict[str, list[list[str]]]:
    """Read `currencies.txt`: section to entries, each split into words."""
    sections: dict[str, list[str]] = {}
    name = ""
    for line in (files(__package__) / "currencies.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            name = line[1 : line.index("]")]
            sections[name] = []
        elif line.startswith("  "):
            sections[name].append(line.strip())
    return {
        key: [entry.split() for entry in " ".join(lines).split("|") if entry.strip()]
        for key, lines in sections.items()
    }


_DATA: Final = _load()

#: Currency of a jurisdiction, by the two letters that official texts and file names use.
CURRENCY_OF: Final[dict[str, str]] = {words[0]: words[1] for words in _DATA["JURISDICTIONS"]}
#: Written signs and short forms; a value that is not a code is a family resolved by jurisdiction.
SYMBOLS: Final[dict[str, str]] = {words[0]: words[1] for words in _DATA["SYMBOLS"]}
#: Names after (or, "rupees ten lakh", before) the number.
NAMES: Final[dict[str, str]] = {
    **{c.name.lower(): code for code, c in CURRENCIES.items() if c.numeric and code[0] != "X"},
    **{" ".join(words[:-1]): words[-1] for words in _DATA["NAMES"]},
}
_FAMILIES: Final[dict[str, frozenset[str]]] = {words[0]: frozenset(words[1:]) for words in _DATA["FAMILIES"]}
_DEFAULT: Final[dict[str, str]] = {words[0]: words[1] for words in _DATA["DEFAULTS"]}

#: What may stand apart before "$" ("U.S. $10,000").
BEFORE_DOLLAR: Final[dict[str, str]] = {words[0]: words[1] for words in _DATA["BEFORE_DOLLAR"]}
#: Codes that are also English words in capitals and not common in laws.
_WORDS: Final = frozenset({"ALL", "TOP", "XXX", "XTS"})

#: How the official texts of a jurisdiction cite themselves.
_SELF: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (code, re.compile(pattern))
    for code, pattern in (
        ("US", r"\b[0-9]+ (?:CFR|C\.F\.R\.|U\.S\.C\.)|\bFinCEN\b|\bBank Secrecy Act\b"),
        ("CA", r"\bSOR/[0-9]{4}|\bFINTRAC\b|\bin right of Canada\b|\blaws-lois"),
        ("EU", r"\b(?:Regulation|Directive) \((?:EU|EC)\) (?:No )?[0-9]{2,4}/[0-9]+"),
        ("UK", r"\bSI [0-9]{4}/[0-9]+|\bS\.I\. [0-9]{4}/[0-9]+|\blegislation\.gov\.uk\b|\bCrown copyright\b"),
        ("AU", r"\bAUSTRAC\b"),
        ("HK", r"\bHong Kong Monetary Authority\b|\bCap\. 615\b"),
        ("SG", r"\bMonetary Authority of Singapore\b|\bMAS Notice\b"),
        ("NZ", r"\blegislation\.govt\.nz\b|\bNew Zealand Gazette\b|\bReserve Bank of New Zealand\b"),
        ("ZA", r"\bFinancial Intelligence Centre Act\b"),
        ("IN", r"\bPrevention of Money-laundering \(|\bReserve Bank of India\b"),
        ("CH", r"\bFINMA\b|\bSwiss Confederation\b"),
        ("IE", r"\bIrish Statute Book\b|\bCentral Bank of Ireland\b"),
        ("JM", r"\bBank of Jamaica\b"),
        ("PH", r"\bBangko Sentral\b"),
        ("MY", r"\bBank Negara Malaysia\b"),
    )
)  # fmt: skip


def known_name(words: str) -> str | None:
    """Return the name, as the table has it, that words in lower case are (or are the plural of)."""
    singular = re.sub(r"s\b", "", words, count=1) if " of " in words else words.removesuffix("s")
    return next((name for name in (words, singular) if name in NAMES), None)


def resolve(written: str, jurisdiction: str | None) -> str | None:
    """Return the ISO 4217 code of a sign, code or name in lower case; None where it stays open."""
    value = SYMBOLS.get(written) or NAMES.get(known_name(written) or "") or written.upper()
    if value not in _FAMILIES:
        return value if value in codes() or value in _WORDS else None
    local = CURRENCY_OF.get(jurisdiction or "")
    if local in _FAMILIES[value]:
        return local
    return _DEFAULT.get(value)


def detect_jurisdiction(text: str, document: str) -> str | None:
    """Return the jurisdiction a text is of: by the prefix of its name, else by how it cites itself.

    A text that cites several systems of law is left open.
    """
    prefix = re.match(r"([A-Za-z]{2})_", document.rsplit("/", 1)[-1])
    if prefix and prefix[1].upper() in CURRENCY_OF:
        return prefix[1].upper()
    found = [code for code, pattern in _SELF if pattern.search(text)]
    return found[0] if len(found) == 1 else None


@cache
def codes() -> frozenset[str]:
    """Return the ISO 4217 codes that may stand for an amount of money in a text."""
    return frozenset(CURRENCIES) - _WORDS


def _currency(code: str) -> Currency:
    try:
        return CURRENCIES[code]
    except KeyError as error:
        raise InputError(f"{code} is not an ISO 4217 currency code") from error


def exponent(currency: str) -> int:
    """Return the number of decimal places of a currency's minor unit (ISO 4217).

    Raises
    ------
    InputError
        For what is not a currency code.
    """
    return int(_currency(currency).exponent or 0)


def number(currency: str) -> int:
    """Return the ISO 4217 numeric code that rows carry.

    Raises
    ------
    InputError
        For what is not a currency code with a number.
    """
    return _currency(currency).numeric


def code_of(number: int) -> str:
    """Return the letters of an ISO 4217 numeric code.

    Raises
    ------
    InputError
        For what is no such code.
    """
    for code, currency in CURRENCIES.items():
        if currency.numeric == number:
            return code
    raise InputError(f"{number} is not an ISO 4217 numeric code")
