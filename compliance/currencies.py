"""Currencies: symbols, codes and names, and what a bare "$" or "dollar" means in a jurisdiction."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import iso4217

from ledger.errors import InputError

__all__ = ["CURRENCY_OF", "NAMES", "SYMBOLS", "codes", "detect_jurisdiction", "exponent", "number", "resolve"]

#: Currency of a jurisdiction, by the two letters that official texts and file names use.
CURRENCY_OF: Final[dict[str, str]] = dict(
    pair.split(":")
    for pair in ["US:USD", "CA:CAD", "EU:EUR", "UK:GBP", "GB:GBP", "AU:AUD", "NZ:NZD", "SG:SGD", "HK:HKD", "IN:INR", "ZA:ZAR", "JP:JPY", "CH:CHF", "LI:CHF", "IE:EUR", "DE:EUR", "FR:EUR", "ES:EUR", "IT:EUR", "NL:EUR", "BE:EUR", "AT:EUR", "LU:EUR", "PT:EUR", "FI:EUR", "GR:EUR", "EE:EUR", "LV:EUR", "LT:EUR", "SK:EUR", "SI:EUR", "MT:EUR", "CY:EUR", "HR:EUR", "SE:SEK", "NO:NOK", "DK:DKK", "IS:ISK", "PL:PLN", "CZ:CZK", "HU:HUF", "RO:RON", "BG:EUR", "TR:TRY", "IL:ILS", "AE:AED", "SA:SAR", "QA:QAR", "KW:KWD", "BH:BHD", "OM:OMR", "EG:EGP", "NG:NGN", "KE:KES", "GH:GHS", "TZ:TZS", "UG:UGX", "RW:RWF", "MU:MUR", "BW:BWP", "NA:NAD", "ZM:ZMW", "ZW:USD", "MA:MAD", "MX:MXN", "BR:BRL", "AR:ARS", "CL:CLP", "CO:COP", "PE:PEN", "UY:UYU", "JM:JMD", "BS:BSD", "BB:BBD", "TT:TTD", "BZ:BZD", "BM:BMD", "KY:KYD", "GY:GYD", "FJ:FJD", "PG:PGK", "PH:PHP", "MY:MYR", "TH:THB", "VN:VND", "ID:IDR", "KR:KRW", "CN:CNY", "TW:TWD", "MO:MOP", "PK:PKR", "BD:BDT", "LK:LKR", "NP:NPR", "UA:UAH", "KZ:KZT", "GE:GEL", "AM:AMD", "AZ:AZN", "RS:RSD", "MD:MDL", "GI:GIP", "JE:GBP", "GG:GBP", "IM:GBP", "BN:BND", "LB:LBP", "JO:JOD", "MV:MVR", "SC:SCR"]
)

#: Written signs and short forms; a value that is not a code is a family resolved by jurisdiction.
SYMBOLS: Final[dict[str, str]] = {
    "$": "dollar", "us$": "USD", "u.s.$": "USD", "usd$": "USD", "a$": "AUD", "au$": "AUD", "aud$": "AUD", "c$": "CAD", "ca$": "CAD",
    "cad$": "CAD", "nz$": "NZD", "s$": "SGD", "hk$": "HKD", "j$": "JMD", "tt$": "TTD", "bds$": "BBD", "b$": "BSD", "fj$": "FJD",
    "nt$": "TWD", "ec$": "XCD", "r$": "BRL", "mex$": "MXN", "mx$": "MXN", "g$": "GYD", "n$": "NAD", "bz$": "BZD", "ci$": "KYD",
    "€": "EUR", "£": "pound", "¥": "yen", "₹": "INR", "₽": "RUB", "₩": "KRW", "₦": "NGN", "₱": "PHP", "₫": "VND", "₪": "ILS",
    "₺": "TRY", "₴": "UAH", "฿": "THB", "₡": "CRC", "₲": "PYG", "₵": "GHS", "gh₵": "GHS", "rs": "rupee", "rs.": "rupee", "re.": "rupee",
    "rm": "MYR", "ksh": "KES", "kshs": "KES", "ksh.": "KES", "kshs.": "KES", "tshs": "TZS", "ushs": "UGX", "frw": "RWF", "dhs": "AED", "nis": "ILS",
    "php": "PHP", "p": "peso", "r": "rand", "n": "naira", "tk": "BDT", "tk.": "BDT", "rmb": "CNY", "fr.": "franc", "sfr": "CHF",
    "sfr.": "CHF", "zl": "PLN", "zł": "PLN", "kč": "CZK", "ft": "HUF", "k": "kwacha",
}  # fmt: skip

#: Names after (or, "rupees ten lakh", before) the number.
NAMES: Final[dict[str, str]] = {
    "dollar": "dollar", "euro": "EUR", "pound": "pound", "pound sterling": "GBP", "sterling": "GBP", "yen": "JPY", "yuan": "CNY",
    "renminbi": "CNY", "won": "KRW", "rupee": "rupee", "franc": "franc", "swiss franc": "CHF", "peso": "peso", "rand": "ZAR",
    "naira": "NGN", "ringgit": "MYR", "baht": "THB", "dirham": "dirham", "riyal": "riyal", "rial": "riyal", "dinar": "dinar",
    "shekel": "ILS", "new shekel": "ILS", "zloty": "PLN", "złoty": "PLN", "forint": "HUF", "leu": "leu", "lei": "leu", "lev": "BGN",
    "leva": "BGN", "lira": "TRY", "krona": "krona", "kronor": "krona", "krone": "krone", "kroner": "krone", "koruna": "CZK",
    "czk": "CZK", "hryvnia": "UAH", "hryvnias": "UAH", "ruble": "RUB", "rouble": "RUB", "shilling": "shilling", "cedi": "GHS",
    "kwacha": "kwacha", "pula": "BWP", "rupiah": "IDR", "dong": "VND", "taka": "BDT", "pataca": "MOP", "real": "BRL", "reais": "BRL",
    "us dollar": "USD", "united states dollar": "USD", "u.s. dollar": "USD", "american dollar": "USD", "canadian dollar": "CAD",
    "australian dollar": "AUD", "new zealand dollar": "NZD", "singapore dollar": "SGD", "hong kong dollar": "HKD",
    "jamaican dollar": "JMD", "indian rupee": "INR", "kenya shilling": "KES", "kenyan shilling": "KES", "swedish kronor": "SEK",
    "danish kroner": "DKK", "norwegian kroner": "NOK", "uae dirham": "AED", "philippine peso": "PHP", "mexican peso": "MXN",
    "japanese yen": "JPY", "pounds sterling": "GBP", "tenge": "KZT", "lari": "GEL", "manat": "AZN", "dram": "AMD", "sol": "PEN", "soles": "PEN",
}  # fmt: skip

_FAMILIES: Final[dict[str, frozenset[str]]] = {
    "dollar": frozenset(
        ["USD", "CAD", "AUD", "NZD", "SGD", "HKD", "JMD", "TTD", "BBD", "BSD", "BZD", "BMD", "KYD", "GYD", "FJD", "TWD", "NAD", "XCD", "BND"]
    ),
    "pound": frozenset(["GBP", "EGP", "LBP", "GIP"]),
    "rupee": frozenset(["INR", "PKR", "LKR", "NPR", "MUR", "SCR"]),
    "franc": frozenset(["CHF", "RWF", "XOF", "XAF"]),
    "peso": frozenset(["MXN", "PHP", "ARS", "CLP", "COP", "UYU"]),
    "dirham": frozenset(["AED", "MAD"]),
    "riyal": frozenset(["SAR", "QAR", "OMR"]),
    "dinar": frozenset(["KWD", "BHD", "JOD", "RSD"]),
    "leu": frozenset(["RON", "MDL"]),
    "krona": frozenset(["SEK", "ISK"]),
    "krone": frozenset(["NOK", "DKK"]),
    "shilling": frozenset(["KES", "TZS", "UGX"]),
    "kwacha": frozenset(["ZMW"]),
    "rand": frozenset(["ZAR"]),
    "naira": frozenset(["NGN"]),
    "yen": frozenset(["JPY", "CNY"]),
}
#: Families that one currency owns wherever nothing else is said; "$" is not among them.
_DEFAULT: Final[dict[str, str]] = {
    "pound": "GBP",
    "yen": "JPY",
    "rand": "ZAR",
    "naira": "NGN",
    "kwacha": "ZMW",
    "leu": "RON",
}

#: Codes that are also English words in capitals.
_WORDS: Final = frozenset({"ALL", "TOP", "TRY", "MOP", "XXX", "XTS"})

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


def resolve(written: str, jurisdiction: str | None) -> str | None:
    """Return the ISO 4217 code of a sign, code or name in lower case; None where it stays open."""
    value = (
        SYMBOLS.get(written) or NAMES.get(written) or NAMES.get(written.removesuffix("s")) or written.upper()
    )
    if value not in _FAMILIES:
        return value
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
    return frozenset(c.code for c in iso4217.Currency if c.number is not None) - _WORDS


def exponent(currency: str) -> int:
    """Return the number of decimal places of a currency's minor unit (ISO 4217).

    Raises
    ------
    InputError
        For what is not a currency code.
    """
    try:
        places = iso4217.Currency(currency).exponent
    except ValueError as error:
        raise InputError(f"{currency} is not an ISO 4217 currency code") from error
    return 0 if places is None else int(places)


def number(currency: str) -> int:
    """Return the ISO 4217 numeric code that rows carry.

    Raises
    ------
    InputError
        For what is not a currency code with a number.
    """
    try:
        found = iso4217.Currency(currency).number
    except ValueError as error:
        raise InputError(f"{currency} is not an ISO 4217 currency code") from error
    if found is None:
        raise InputError(f"{currency} has no ISO 4217 number")
    return int(found)
