"""Identifiers of accounts and parties: four forms, each with one normal form.

::

    iban:DE89370400440532013000      an IBAN, which is unique by itself
    acct:EXAMPLEXXX:12345            a proprietary account number, which is unique only within its bank
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
    """Return the normal form of an identifier.

    IBAN and LEI: upper case, without white space, with valid check digits. Agents are in upper case, schemes
    in lower case. Account numbers and person identifiers stay unchanged, except for outer white space and
    Unicode normalisation (NFC).

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
        raise InputError(f"an identifier has {size} bytes, more than {_MAX_IDENTIFIER}")
    return normal


def account_identifier(text: str, agent: str) -> str:
    """Return the identifier of an account number, as an IBAN or as the bank's own number.

    Raises
    ------
    InputError
        When it has the prefix of a form but is not valid in that form.

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
    """Return the identifier of a party; an LEI may be given without prefix.

    Raises
    ------
    InputError
        When it is neither an LEI nor a person in a scheme.
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
    """Return the remainder of ISO 7064 MOD 97-10 (A is 10, B is 11, ...); it is 1 for a valid text."""
    return int("".join(str(int(character, 36)) for character in text)) % 97


_NORMALISE = {"iban": _iban, "acct": _account, "lei": _lei, "person": _person}
