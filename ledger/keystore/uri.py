"""The name of a key on a token: a ``pkcs11:`` URI.

Of RFC 7512, the parts that find one private key are read: ``token`` or ``serial``, ``object``, ``id``, and
``module-path`` after the question mark. Any other part is refused, as it would say something that is then not
done; a PIN has no place in a file that is not encrypted.

References
----------
.. [1] RFC 7512, The PKCS #11 URI Scheme.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, unquote_to_bytes

from ledger.errors import ConfigurationError, InputError

__all__ = ["MODULE_VARIABLE", "TokenUri"]

_SCHEME: Final = "pkcs11:"

#: Where the path of the PKCS#11 library is, if the URI has none; it is no secret.
MODULE_VARIABLE: Final = "COUNTERFOIL_PKCS11_MODULE"

_PART: Final = re.compile(r"([a-z0-9-]+)=((?:[A-Za-z0-9._~:\[\]@!$'()*+,=&/?-]|%[0-9A-Fa-f]{2})*)")
#: What stands unescaped in a value that is written here.
_SAFE: Final = ":[]@!$'()*+,="
_MOST_CHARACTERS: Final = 1_000


@dataclass(frozen=True, slots=True)
class TokenUri:
    """The name of a key on a token.

    Parameters
    ----------
    label : str or None
        Label of the key (``object``).
    identifier : bytes or None
        Identifier of the key (``id``); one of the two is there.
    token : str or None
        Label of the token.
    serial : str or None
        Serial number of the token; one of the two is there.
    module : str or None
        Path of the PKCS#11 library.
    """

    label: str | None
    identifier: bytes | None
    token: str | None
    serial: str | None
    module: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI.

        Raises
        ------
        InputError
            When it is malformed, names no key or no token, or has a part that is not read.
        """
        if not text.startswith(_SCHEME) or len(text) > _MOST_CHARACTERS:
            raise _wrong("it does not start with pkcs11:, or is too long")
        path, question, query = text.removeprefix(_SCHEME).partition("?")
        found = _parts([*path.split(";"), *(query.split("&") if question else ())])
        if found.pop("type", b"private") != b"private":
            raise _wrong("its type is not private")
        read = {name: _plain(name, value) for name, value in found.items() if name != "id"}
        made = cls(
            read.pop("object", None),
            found.get("id"),
            read.pop("token", None),
            read.pop("serial", None),
            read.pop("module-path", None),
        )
        if read:
            reason = "a PIN belongs in no file" if {"pin-value", "pin-source"} & read.keys() else "not read"
            raise _wrong(f"it has the part {sorted(read)[0]} ({reason})")
        if not made.label and not made.identifier:
            raise _wrong("it names no key: object or id is missing")
        if not made.token and not made.serial:
            raise _wrong("it names no token: token or serial is missing")
        return made

    @property
    def text(self) -> str:
        """The URI in its one written form."""
        parts = [
            f"{name}={quote(value, safe=_SAFE)}"
            for name, value in (("token", self.token), ("serial", self.serial), ("object", self.label))
            if value
        ]
        if self.identifier:
            parts.append("id=" + "".join(f"%{byte:02X}" for byte in self.identifier))
        query = f"?module-path={quote(self.module, safe=_SAFE + '/')}" if self.module else ""
        return _SCHEME + ";".join([*parts, "type=private"]) + query

    @property
    def library(self) -> str:
        """The path of the PKCS#11 library.

        Raises
        ------
        ConfigurationError
            When neither the URI nor the environment names it.
        """
        found = self.module or os.environ.get(MODULE_VARIABLE)
        if not found:
            raise ConfigurationError(
                "nothing names the PKCS#11 library of the token",
                where=self.text,
                next_step=f"Add ?module-path=/path/to/library.so to the URI, or set {MODULE_VARIABLE}.",
            )
        return found


def _parts(texts: list[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for text in texts:
        matched = _PART.fullmatch(text)
        if matched is None:
            raise _wrong("a part of it is not NAME=VALUE")
        if matched[1] in found:
            raise _wrong(f"it has the part {matched[1]} twice")
        found[matched[1]] = unquote_to_bytes(matched[2])
    return found


def _plain(name: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise _wrong(f"its part {name} is no text") from None
    if not text or not text.isprintable():
        raise _wrong(f"its part {name} is empty or not printable")
    return text


def _wrong(reason: str) -> InputError:
    return InputError(
        f"this is not the name of a key on a token: {reason}",
        next_step="Give a URI such as 'pkcs11:token=counterfoil;object=account' (RFC 7512).",
    )
