"""Documents: JSON files of a known format, read strictly and written in one canonical form.

A format is a `Document`: a class that names each field and its type. A document is accepted when it is
canonical JSON, names its format, has every field of the format and no other field, and each value has the
type of its field: `true` and `1.0` are not `1`, and a number is not a string. Any other input is refused; the
error names the field and the expected type. It never contains the value, which may be personal data.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from ledger import canonical
from ledger.errors import ConfigurationError, CounterfoilError, VerificationError
from ledger.nesting import MOST_DEPTH, nesting

__all__ = [
    "Address",
    "Count",
    "Document",
    "Hash",
    "Hex",
    "Salt",
    "convert",
    "format_of",
    "load",
    "plain",
    "read",
    "write",
]

T = TypeVar("T")

#: Any number of bytes, in lower-case hex.
Hex = Annotated[str, Meta(pattern=r"\A([0-9a-f]{2})*\Z")]
#: 32 bytes, a hash or a key, in lower-case hex.
Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
#: The 16-byte salt of a field, in lower-case hex.
Salt = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
#: The 20-byte address of an account or a contract, in lower-case hex.
Address = Annotated[str, Meta(pattern=r"\A[0-9a-f]{40}\Z")]
#: An integer, 0 or greater.
Count = Annotated[int, Meta(ge=0)]

#: A message of msgspec, and the place it names.
_SAID: Final = re.compile(r"(.*?)(?: - at (?:`key` in )?`\$([^`]*)`)?", re.DOTALL)
_FORMAT: Final = re.compile(r"counterfoil/[a-z-]{1,40}/[0-9]{1,4}", re.ASCII)
#: Names that an error may repeat: field names look like this, identifiers of accounts and persons do not.
_NAME: Final = re.compile(r"[a-z][a-z_]{0,40}", re.ASCII)


class Document(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base class of a format, or of a part of a format.

    The class of a whole format is declared with ``tag_field="format"`` and the format's name as `tag`; the
    field `format` is then required in every document. Fields may be dataclasses.
    """


class _Format(msgspec.Struct):
    """The format alone."""

    format: str


def read(
    data: bytes,
    kind: type[T],
    *,
    what: str,
    error: type[CounterfoilError] = VerificationError,
    where: str | None = None,
    next_step: str | None = None,
    most_bytes: int = canonical.MOST_BYTES,
) -> T:
    """Read a document.

    Parameters
    ----------
    data : bytes
        Canonical JSON (RFC 8785); JSON in any other form is refused.
    kind : type
        A `Document`, a dataclass, or a list or dict of these.
    what : str
        Name of the document in the error, such as "receipt".
    error : type
        The type of error to raise.
    where, next_step : str, optional
        As for `ledger.errors.CounterfoilError`.
    most_bytes : int
        Maximum size of the document.

    Raises
    ------
    CounterfoilError
        An error of the type `error`, when the document is not canonical or does not follow the format.

    Examples
    --------
    >>> class Visit(Document, tag_field="format", tag="counterfoil/visit/1"):
    ...     count: Count
    >>> data = write(Visit(count=1))
    >>> data
    b'{"count":1,"format":"counterfoil/visit/1"}'
    >>> read(data, Visit, what="visit")
    Visit(count=1)
    >>> read(data.replace(b"1,", b"true,"), Visit, what="visit")
    Traceback (most recent call last):
    ...
    ledger.errors.VerificationError: ...
    """
    if len(data) <= most_bytes and nesting(data) <= MOST_DEPTH:
        made = _read_exactly(data, kind)
        if made is not None:
            return made
    try:
        value = canonical.loads(data, what=what, most_bytes=most_bytes)
    except VerificationError as caught:
        raise error(caught.what, where=where, next_step=next_step or caught.next_step) from caught
    return convert(value, kind, what=what, error=error, where=where, next_step=next_step)


def _read_exactly(data: bytes, kind: type[T]) -> T | None:
    """Read a document whose bytes are those that it would be written with; None if `read` must look closer.

    This is many times faster than to look for what is wrong, and it accepts nothing that `read` refuses.
    """
    if not canonical.is_plain(data):
        return None
    try:
        made = msgspec.json.decode(data, type=kind, strict=True)
        again = msgspec.json.encode(made, order="sorted")
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return None
    return made if again == data else None


def format_of(data: bytes) -> str | None:
    """Return the format that a JSON document names, without looking at the rest; None if it names none."""
    if nesting(data) > MOST_DEPTH:
        return None
    try:
        return msgspec.json.decode(data, type=_Format).format
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def load(
    path: Path, kind: type[T], *, what: str, missing: str, missing_step: str, next_step: str | None = None
) -> T:
    """Read the document in a file; `kind` and `what` are those of `read`.

    Parameters
    ----------
    path : Path
    missing, missing_step : str
        What happened and what to do next, when there is no such file.
    next_step : str, optional
        What to do next, when the file is not of the format.

    Raises
    ------
    ConfigurationError
        When the file is missing, not canonical, or does not follow the format.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigurationError(missing, where=str(path), next_step=missing_step) from error
    return read(data, kind, what=what, error=ConfigurationError, where=str(path), next_step=next_step)


def convert(
    value: Any,
    kind: type[T],
    *,
    what: str,
    error: type[CounterfoilError] = VerificationError,
    where: str | None = None,
    next_step: str | None = None,
) -> T:
    """Read a document, or a part of one, from JSON values; parameters and errors are those of `read`."""
    expected = getattr(getattr(kind, "__struct_config__", None), "tag", None)
    found = value.get("format") if isinstance(value, dict) else None
    if expected is not None and found != expected:
        known = isinstance(found, str) and _FORMAT.fullmatch(found)
        told = f"its format is {found if known else 'missing or unknown'}, not {expected}"
        raise error(f"this is not a {what}: {told}", where=where, next_step=next_step)
    try:
        made = msgspec.convert(value, kind, strict=True, str_keys=True)
    except msgspec.ValidationError as caught:
        told = _told(str(caught))
        raise error(f"the {what} is malformed: {told}", where=where, next_step=next_step) from None
    again = plain(made)
    place = None if again == value else _difference(again, value)
    if place is not None:  # msgspec ignores unknown fields of a dataclass and fills in its defaults
        told = f"{_field(place)}its content differs from what the format allows"
        raise error(f"the {what} is malformed: {told}", where=where, next_step=next_step)
    return made


def plain(document: Any) -> Any:
    """Return a document as JSON values."""
    return msgspec.to_builtins(document, str_keys=True, enc_hook=_base)


def _base(value: Any) -> float | str:
    """Convert a value of a subclass of float or str, such as NumPy's float64, to a plain float or str."""
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def write(document: Document) -> bytes:
    """Return a document's bytes: canonical JSON."""
    value = plain(document)
    data = msgspec.json.encode(value, order="sorted")
    return data if canonical.is_plain(data) else canonical.dumps(value)


def _told(said: str) -> str:
    """Return msgspec's message without the values that it repeats."""
    match = _SAID.fullmatch(said)
    problem, place = (match[1], match[2]) if match else (said, None)
    if problem.startswith("Invalid"):
        problem = "it is not one of the values that the format allows"
    elif problem.startswith("Object contains unknown field"):
        name = problem.split("`", 1)[-1].rstrip("`")
        problem = f"it has a field that the format does not have: {_shown(name)}"
    problem = problem.replace("`", "")
    return f"{_field(place)}{problem[:1].lower()}{problem[1:]}"


def _field(place: str | None) -> str:
    return f"field {place.lstrip('.')}: " if place else ""


def _shown(name: object) -> str:
    return name if isinstance(name, str) and _NAME.fullmatch(name) else "..."


def _difference(made: Any, given: Any, place: str = "") -> str | None:
    """Return the first place where a value differs from what was read from it; None if they are equal."""
    if isinstance(made, dict) and isinstance(given, dict) and made.keys() == given.keys():
        pairs = [(f"{place}.{_shown(name)}", made[name], given[name]) for name in made]
    elif isinstance(made, list | tuple) and isinstance(given, list | tuple) and len(made) == len(given):
        pairs = [(f"{place}[{i}]", made[i], given[i]) for i in range(len(made))]
    else:
        return None if made == given else place
    found = (_difference(one, other, at) for at, one, other in pairs)
    return next((at for at in found if at is not None), None)
