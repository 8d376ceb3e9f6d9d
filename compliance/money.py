"""Money: amounts in every currency and notation, from tokens; restated amounts are one amount."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from compliance.currencies import BEFORE_DOLLAR, NAMES, SYMBOLS, codes, known_name
from compliance.tokens import Token, parse_number

__all__ = ["Money", "decimal_text", "find"]

#: Short forms that mean a currency only where they touch the number ("R25 000", "N5,000,000").
_ATTACHED = frozenset({"r", "n", "p", "k", "ft", "b$", "g$"})
#: Short forms that need their capitals.
_CAPITALS = frozenset(
    {"bd", "sr", "qr", "kd", "ro", "tl", "dh", "le", "vt", "rm", "rmb", "cfa", "fcfa", "nis"}
)
_FLOURISHES = frozenset({".—", ",—", ".-", ",-", ".--", ",--", "/-", "/=", "/—"})
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


def find(doc: list[Token], runs: list[tuple[int, int]]) -> Iterator[Money]:
    """Yield the amounts of money around the runs of number tokens."""
    found: list[Money] = []
    for start, end in runs:
        amount = _amount(doc, start, end)
        if amount is not None:
            found.append(amount)
    yield from _merge(doc, found)


def _amount(doc: list[Token], start: int, end: int) -> Money | None:
    value, start, end = _value(doc, start, end)
    if value is None:
        return None
    left, before = _before(doc, start)
    value *= _scale(doc, end)
    end = _past_flourish(doc, _scaled(doc, end))
    if before:
        restated = _restated_figure(doc, end, value)
        right, after = _after(doc, restated or end)
        if after and (after == before or before == ("$",)):
            return Money(left, right, value, after)
        return Money(left, restated or end, value, before)
    right, after = _after(doc, _restated_figure(doc, end, value) or end)
    return Money(start, right, value, after) if after else None


def _restated_figure(doc: list[Token], end: int, value: Decimal) -> int | None:
    """Return where "(60,000)" ends behind "sixty thousand", if that figure is the same."""
    if end < len(doc) and doc[end].text == "(":
        words = [token.text for token in doc[end + 1 : end + 12]]
        if ")" in words and parse_number(words[: words.index(")")]) == value:
            return end + 2 + words.index(")")
    return None


def _past_flourish(doc: list[Token], end: int) -> int:
    """Step over what closes a figure: "100 000.—", "10,000/-", "10,000,000/="."""
    if end < len(doc) and not doc[end - 1].whitespace_ and doc[end].text in _FLOURISHES:
        return end + 1
    return end


def _value(doc: list[Token], start: int, end: int) -> tuple[Decimal | None, int, int]:
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


def _scale(doc: list[Token], end: int) -> int:
    """Return what "m" or "bn" right after the figures multiplies by."""
    if end < len(doc) and not doc[end - 1].whitespace_:
        return _SHORT_SCALES.get(doc[end].lower_, 1)
    return 1


def _scaled(doc: list[Token], end: int) -> int:
    return end + 1 if _scale(doc, end) != 1 else end


def _sign(doc: list[Token], place: int) -> str | None:
    """Return the currency a token writes before a number, in lower case."""
    token = doc[place]
    lower = token.lower_
    if lower in SYMBOLS:
        if lower in _ATTACHED and (token.whitespace_ or not token.text.isupper()):
            spaced_rand = token.text == "R" and place + 1 < len(doc) and len(doc[place + 1]) <= 3
            return (
                lower if spaced_rand and place + 2 < len(doc) and doc[place + 2].text[:1].isdigit() else None
            )
        if lower in _CAPITALS and not token.text.isupper() and token.whitespace_:
            return None
        return str(lower)
    if token.text in codes():
        return str(lower)
    if lower == "euro" or (lower.endswith("s") and known_name(lower)):
        return str(lower)
    return None


def _named_before(doc: list[Token], start: int) -> tuple[int, str] | None:
    """Read a name of several words before a number: "Uganda Shillings twenty million"."""
    for length in (5, 4, 3, 2):
        if start >= length:
            name = " ".join(token.lower_ for token in doc[start - length : start])
            if name not in SYMBOLS and name.endswith(("s", "america")) and known_name(name):
                return start - length, name
    return None


def _before(doc: list[Token], start: int) -> tuple[int, tuple[str, ...]]:
    named = _named_before(doc, start)
    if named is not None:
        return named[0], (named[1],)
    written: list[str] = []
    place = start
    if place > 1 and doc[place - 1].text == "." and not doc[place - 2].whitespace_ and _sign(doc, place - 2):
        place -= 1
    while place > 0 and (sign := _sign(doc, place - 1)):
        written.insert(0, sign)
        place -= 1
        if place > 1 and doc[place - 1].lower_ in ("/", "or") and _sign(doc, place - 2):
            place -= 1
            continue
        lead = doc[place - 1] if place else None
        if lead is not None and sign in ("$", "£") and lead.text in codes():
            written[0] = lead.lower_
            place -= 1
        elif lead is not None and sign == "$" and lead.lower_ in BEFORE_DOLLAR:
            written[0] = BEFORE_DOLLAR[lead.lower_].lower()
            place -= 1
        break
    return place, tuple(written)


def _after(doc: list[Token], end: int) -> tuple[int, tuple[str, ...]]:
    """Read the currency behind a number: "€", "EUR", "euros", "United States dollars"."""
    place = end
    if place < len(doc) and doc[place].text == "-" and place + 1 < len(doc):
        place += 1
    for length in (6, 5, 4, 3, 2, 1):
        words = [token.lower_ for token in doc[place : place + length]]
        if len(words) < length:
            continue
        name = " ".join(words)
        if known_name(name):
            return place + length, (name,)
        opens_next = place + 1 < len(doc) and doc[place + 1].like_num
        sign = doc[place].text in codes() or (
            name in SYMBOLS and (not name.isalpha() or (name in _CAPITALS and doc[place].text.isupper()))
        )
        if length == 1 and place == end and not opens_next and sign:
            return place + 1, (name,)
    return end, ()


def _merge(doc: list[Token], found: list[Money]) -> Iterator[Money]:
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
        return SYMBOLS.get(sign) or NAMES.get(known_name(sign) or "") or sign.upper()

    first, second = family(one.written[0]), family(other.written[0])
    shared_name = first.islower() or second.islower()
    return first == second or (shared_name and one.amount == other.amount)
