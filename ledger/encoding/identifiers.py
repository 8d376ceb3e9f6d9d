"""Identifiers of accounts and parties: four forms, and one spelling for each.

::

    iban:DE89370400440532013000      an IBAN, which is unique by itself
    acct:EXAMPLEXXX:12345            a proprietary account number, which means nothing without its bank
    lei:529900T8BM49AURSDO55         a legal person
    person:<scheme>:<id>             a natural person, in a scheme that the banks share
"""

from __future__ import annotations

import re
import unicodedata

from ledger.errors import InputError

__all__ = ["account_identifier", "normalise_identifier", "party_identifier"]

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", re.ASCII)
_LEI = re.compile(r"[A-Z0-9]{18}[0-9]{2}", re.ASCII)
_AGENT = re.compile(r"[A-Z0-9_.-]{1,35}", re.ASCII)
_SCHEME = re.compile(r"[a-z0-9_.-]{1,35}", re.ASCII)
_MAX_IDENTIFIER = 1024
_FORMS = "iban:…, acct:<agent>:<number>, lei:… or person:<scheme>:<id>"


def normalise_identifier(text: str) -> str:
    """Give an identifier its one spelling.

    IBAN and LEI: upper case, without white space, check digits right. Agents in upper case, schemes in lower
    case. Numbers of accounts and persons are kept as they are, but for outer white space and Unicode
    normal form (NFC).

    Raises
    ------
    InputError
        When `text` has none of the four forms. The message does not repeat the identifier.

    Examples
    --------
    >>> normalise_identifier("IBAN:de89 3704 0044 0532 0130 00")
    'iban:DE89370400440532013000'
    """
    kind, colon, rest = unicodedata.normalize("NFC", text).strip().partition(":")
    kind = kind.lower()
    if not colon or kind not in _NORMALISE:
        raise InputError(f"an identifier has none of the forms {_FORMS}")
    normal = f"{kind}:{_NORMALISE[kind](rest)}"
    try:
        size = len(normal.encode())
    except UnicodeEncodeError as error:
        raise InputError("an identifier cannot be written in UTF-8") from error
    if size > _MAX_IDENTIFIER:
        raise InputError(f"an identifier takes {size} bytes, more than {_MAX_IDENTIFIER}")
    return normal


def account_identifier(text: str, agent: str) -> str:
    """Give an account number, as a bank writes it, its form: an IBAN, or the bank's own number.

    Raises
    ------
    InputError
        When it names a form that it does not have.

    Examples
    --------
    >>> account_identifier("DE89 3704 0044 0532 0130 00", "EXAMPLEXXX")
    'iban:DE89370400440532013000'
    >>> account_identifier("12345", "EXAMPLEXXX")
    'acct:EXAMPLEXXX:12345'
    """
    if text.lower().startswith(("iban:", "acct:")):
        return normalise_identifier(text)
    try:
        return f"iban:{_iban(text)}"
    except InputError:
        return normalise_identifier(f"acct:{agent}:{text}")


def party_identifier(text: str) -> str:
    """Give a party its form: a bare LEI is one.

    Raises
    ------
    InputError
        When it is neither a legal entity identifier nor a person in a scheme.
    """
    if text.lower().startswith("person:"):
        return normalise_identifier(text)
    return normalise_identifier(text if text.lower().startswith("lei:") else f"lei:{text}")


def _iban(text: str) -> str:
    iban = "".join(text.split()).upper()
    if not _IBAN.fullmatch(iban) or _mod_97(iban[4:] + iban[:4]) != 1:
        raise InputError("an identifier starts with iban: but is not a valid IBAN")
    return iban


def _lei(text: str) -> str:
    lei = "".join(text.split()).upper()
    if not _LEI.fullmatch(lei) or _mod_97(lei) != 1:
        raise InputError("an identifier starts with lei: but is not a valid LEI")
    return lei


def _account(text: str) -> str:
    agent, _, number = text.partition(":")
    agent, number = agent.strip().upper(), number.strip()
    if not _AGENT.fullmatch(agent) or not number or "\n" in number:
        raise InputError("an identifier starts with acct: but is not acct:<agent>:<number>")
    return f"{agent}:{number}"


def _person(text: str) -> str:
    scheme, _, identity = text.partition(":")
    scheme, identity = scheme.strip().lower(), identity.strip()
    if not _SCHEME.fullmatch(scheme) or not identity or "\n" in identity:
        raise InputError("an identifier starts with person: but is not person:<scheme>:<id>")
    return f"{scheme}:{identity}"


def _mod_97(text: str) -> int:
    """Check digits of ISO 7064 MOD 97-10: letters count from 10, a valid text leaves 1."""
    return int("".join(str(int(character, 36)) for character in text)) % 97


_NORMALISE = {"iban": _iban, "acct": _account, "lei": _lei, "person": _person}
