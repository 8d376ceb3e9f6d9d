"""Synthetic identifiers in the format of real ones: IBAN, LEI, BIC, UETR and personal numbers.

Check digits are valid, so that the validators of the intake are exercised; everything else is invented. BICs
end in 0, which SWIFT reserves for test and training; bank codes are outside the allocated ranges if a range
is reserved. No identifier was read from a directory.

References
----------
ISO 13616-1 (IBAN), ISO 17442-1 (LEI), ISO/IEC 7064 MOD 97-10 (their check digits), ISO 9362 (BIC),
RFC 9562 (UUID; a UETR is a UUID version 4).
"""

from __future__ import annotations

import numpy as np

from ledger.errors import InputError

__all__ = ["check_digits", "iban", "lei", "mod97", "person", "uetrs"]


def _digits(text: str) -> int:
    """Return `text` as a number, with A as 10 to Z as 35 (ISO/IEC 7064)."""
    return int("".join(str(int(character, 36)) for character in text))


def mod97(text: str) -> int:
    """Return the MOD 97-10 residue of an alphanumeric string; a valid code leaves 1.

    Examples
    --------
    >>> mod97("WEST12345698765432GB82")
    1
    """
    return _digits(text) % 97


def check_digits(body: str) -> str:
    """Return the two digits that, appended to `body`, give 1 modulo 97.

    Examples
    --------
    >>> check_digits("5493001KJTIIGC8Y1R")
    '12'
    """
    return f"{98 - mod97(body + '00'):02d}"


def _rib_key(bank: str, branch: str, number: str) -> str:
    return f"{97 - (89 * int(bank) + 15 * int(branch) + 3 * int(number)) % 97:02d}"


def _spanish_digit(ten: str) -> str:
    weights = (1, 2, 4, 8, 5, 10, 9, 7, 3, 6)
    rest = 11 - sum(w * int(d) for w, d in zip(weights, ten, strict=True)) % 11
    return str({10: 1, 11: 0}.get(rest, rest))


def _bban(country: str, letters: str, bank: int, number: int) -> str:
    """Return bank code and account number in the country's layout of the IBAN registry."""
    match country:
        case "DE":
            return f"{bank:08d}{number:010d}"
        case "FR":
            parts = f"{bank:05d}", "00001", f"{number:011d}"
            return "".join(parts) + _rib_key(*parts)
        case "ES":
            front, back = f"{bank:04d}0001", f"{number:010d}"
            return front + _spanish_digit("00" + front) + _spanish_digit(back) + back
        case "BE":
            body = f"{bank:03d}{number:07d}"
            return f"{body}{int(body) % 97 or 97:02d}"
        case "NL":
            return f"{letters}{number:010d}"
        case "IE" | "GB":
            return f"{letters}{bank:06d}{number:08d}"
        case "AT" | "LT":
            return f"{bank:05d}{number:011d}"
        case "CH":
            return f"{bank:05d}{number:012d}"
        case "LU":
            return f"{bank:03d}{number:013d}"
        case _:
            raise InputError(
                f"no IBAN layout for country {country!r}",
                next_step="Use DE, FR, ES, BE, NL, IE, GB, AT, LT, CH or LU; others take acct: identifiers.",
            )


def iban(country: str, letters: str, bank: int, number: int) -> str:
    """Return a valid IBAN.

    Parameters
    ----------
    country : str
        ISO 3166-1 alpha-2.
    letters : str
        First four letters of the BIC, used if the layout requires letters.
    bank, number : int
        Bank code and account number, padded to the layout's width.

    Raises
    ------
    InputError
        When this module has no layout for the country.

    Examples
    --------
    >>> iban("DE", "", 37040044, 532013000)
    'DE89370400440532013000'
    """
    bban = _bban(country, letters, bank, number)
    return f"{country}{check_digits(bban + country)}{bban}"


def lei(serial: int) -> str:
    """Return a valid LEI with the prefix COFO00 of an issuer that does not exist.

    Examples
    --------
    >>> mod97(lei(1))
    1
    """
    body = f"COFO00{serial:012d}"
    return body + check_digits(body)


def person(country: str, number: int) -> str:
    """Return a personal identifier, which is the same at every bank of the person."""
    return f"person:{country}-TIN:{number:011d}"


def uetrs(rng: np.random.Generator, count: int) -> list[str]:
    """Draw UUIDs of version 4 (RFC 9562, section 5.4) from the bits of the random generator."""
    raw = np.frombuffer(rng.bytes(16 * count), dtype=np.uint8).reshape(count, 16).copy()
    raw[:, 6] = (raw[:, 6] & 0x0F) | 0x40
    raw[:, 8] = (raw[:, 8] & 0x3F) | 0x80
    text = raw.tobytes().hex()
    cut = (text[i : i + 32] for i in range(0, 32 * count, 32))
    return [f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}" for h in cut]
