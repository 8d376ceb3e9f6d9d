"""Money: amounts in every currency and notation, from tokens; restated amounts are one amount."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from compliance.currencies import NAMES, SYMBOLS, codes
from compliance.tokens import parse_number

__all__ = ["Money", "decimal_text", "find"]

#: Short forms that mean a currency only where they touch the number ("R25 000", "N5,000,000").
_ATTACHED = frozenset({"r", "n", "p", "k", "ft", "b$", "g$"})
_SHORT_SCALES = {"m": 10**6, "k": 10**3, "mn": 10**6, "bn": 10**9, "b": 10**9}


@dataclass(frozen=True, slots=True)
class Money:
    """Tokens `start:end`; an amount; the currency signs as written, in lower case (usually one).

    `contradicts` is True where words and figures disagree, so that the amount must not be believed.
    """

    start: int
    end: int
    amount: Decimal
    written: tuple[str, ...]
    contradicts: bool = False


def decimal_text(value: Decimal) -> str:
    """Return a decimal in plain notation without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def find(doc: Any, runs: list[tuple[int, int]]) -> Iterator[Money]:
    """Yield the amounts of money around the runs of number tokens."""
    found: list[Money] = []
    for start, end in runs:
        amount = _amount(doc, start, end)
        if amount is not None:
            found.append(amount)
    yield from _merge(doc, found)


def _amount(doc: Any, start: int, end: int) -> Money | None:
    value, start, end = _value(doc, start, end)
    if value is None:
        return None
    left, before = _before(doc, start)
    right, after = _after(doc, end)
    if before:
        if after == before:
            end = right
        return Money(left, _scaled(doc, end), value * _scale(doc, end), before)
    if after:
        return Money(start, right, value, after)
    return None


def _value(doc: Any, start: int, end: int) -> tuple[Decimal | None, int, int]:
    """Read the longest number that ends where the run ends or, failing that, begins where it begins."""
    words = [token.text for token in doc[start:end]]
    value = parse_number(words)
    if value is not None:
        return value, start, end
    if start and _sign(doc, start - 1):
        for stop in range(end - 1, start, -1):
            value = parse_number(words[: stop - start])
            if value is not None:
                return value, start, stop
    for begin in range(start + 1, end):
        value = parse_number(words[begin - start :])
        if value is not None:
            return value, begin, end
    return None, start, end


def _scale(doc: Any, end: int) -> int:
    """Return what "m" or "bn" right after the figures multiplies by."""
    if end < len(doc) and not doc[end - 1].whitespace_:
        return _SHORT_SCALES.get(doc[end].lower_, 1)
    return 1


def _scaled(doc: Any, end: int) -> int:
    return end + 1 if _scale(doc, end) != 1 else end


def _sign(doc: Any, place: int) -> str | None:
    """Return the currency a token writes before a number, in lower case."""
    token = doc[place]
    lower = token.lower_
    if lower in SYMBOLS:
        if lower in _ATTACHED and (token.whitespace_ or not token.text.isupper()):
            spaced_rand = token.text == "R" and place + 1 < len(doc) and len(doc[place + 1]) <= 3
            return (
                lower if spaced_rand and place + 2 < len(doc) and doc[place + 2].text[:1].isdigit() else None
            )
        return str(lower)
    if token.text in codes():
        return str(lower)
    if lower.endswith("s") and (lower in NAMES or lower[:-1] in NAMES):
        return str(lower)
    return None


def _before(doc: Any, start: int) -> tuple[int, tuple[str, ...]]:
    written: list[str] = []
    place = start
    while place > 0 and (sign := _sign(doc, place - 1)):
        written.insert(0, sign)
        place -= 1
        if place > 1 and doc[place - 1].lower_ in ("/", "or") and _sign(doc, place - 2):
            place -= 1
            continue
        if sign in ("$", "£") and place and doc[place - 1].text in codes():
            written = [doc[place - 1].lower_]
            place -= 1
        break
    return place, tuple(written)


def _after(doc: Any, end: int) -> tuple[int, tuple[str, ...]]:
    """Read the currency behind a number: "€", "EUR", "euros", "United States dollars"."""
    place = end
    if place < len(doc) and doc[place].text == "-" and place + 1 < len(doc):
        place += 1
    for length in (3, 2, 1):
        words = [token.lower_ for token in doc[place : place + length]]
        if len(words) < length:
            continue
        name = " ".join(words)
        if name in NAMES or name.removesuffix("s") in NAMES:
            return place + length, (name,)
        opens_next = place + 1 < len(doc) and doc[place + 1].like_num
        if (
            length == 1
            and place == end
            and not opens_next
            and (doc[place].text in codes() or (name in SYMBOLS and not name.isalpha()))
        ):
            return place + 1, (name,)
    return end, ()


def _merge(doc: Any, found: list[Money]) -> Iterator[Money]:
    """Join "ten thousand dollars ($10,000)" to one amount; drop what overlaps."""
    pending: Money | None = None
    for amount in found:
        if pending is not None:
            between = [token.text for token in doc[pending.end : amount.start]]
            closed = amount.end < len(doc) and doc[amount.end].text == ")"
            if amount.start < pending.end:
                continue
            if between == ["("] and closed and (pending.written == amount.written or _same(pending, amount)):
                worded = doc[pending.end - 1].is_alpha or doc[pending.start].is_alpha
                if worded or pending.amount == amount.amount:
                    pending = replace(
                        pending,
                        end=amount.end + 1,
                        amount=amount.amount,
                        written=amount.written,
                        contradicts=pending.amount != amount.amount,
                    )
                    continue
            yield pending
        pending = amount
    if pending is not None:
        yield pending


def _same(one: Money, other: Money) -> bool:
    def family(sign: str) -> str:
        return SYMBOLS.get(sign) or NAMES.get(sign) or NAMES.get(sign.removesuffix("s")) or sign.upper()

    first, second = family(one.written[0]), family(other.written[0])
    generic = {"dollar", "pound", "peso", "rupee", "franc", "shilling"}
    return first == second or (first in generic and one.amount == other.amount)
