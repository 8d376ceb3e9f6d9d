"""Transaction types: the words a text uses, the code of the rule, and the columns that decide it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from compliance.clauses import Clause

__all__ = ["TYPES", "TransactionType", "akin", "describe", "find_type", "type_of_words"]


@dataclass(frozen=True, slots=True)
class TransactionType:
    """How a check decides that a transfer is of a type.

    Parameters
    ----------
    words : str
        What the check prints.
    where : str
        A condition over the transfers' columns (SQL); empty where no column decides it.
    missing : str
        What the row does not carry; such rows go to the owning bank as `needs_member`.
    """

    words: str
    where: str = ""
    missing: str = ""


_CASH: Final = "(channel = $cash OR (flags & $cash_in) > 0 OR (flags & $cash_out) > 0)"
_RECEIVED: Final = f"({_CASH} AND NOT ((flags & $cash_out) > 0 AND (flags & $cash_in) = 0))"
_WIRE: Final = "channel IN ($wire, $instant)"
_CRYPTO: Final = "channel = $crypto"
_ABROAD: Final = "(debtor_country <> creditor_country AND debtor_country > 0 AND creditor_country > 0)"
_OCCASIONAL: Final = "(flags & $occasional) > 0"

_T = TransactionType
TYPES: Final[dict[str, TransactionType]] = {
    "currency_transaction": _T("currency or cash: channel cash, or marked cash in or cash out", _CASH),
    "cash_receipt": _T("cash received: channel cash or marked cash in, and not only cash out", _RECEIVED),
    "cash_payment": _T("cash: channel cash, or marked cash in or cash out", _CASH),
    "transmittal_of_funds": _T("wire or instant transfer", _WIRE),
    "international_transfer": _T(
        "wire or instant transfer between two countries", f"({_WIRE} AND {_ABROAD})"
    ),
    "virtual_currency": _T("channel crypto", _CRYPTO),
    "occasional_transaction": _T("marked occasional by the bank", _OCCASIONAL),
    "occasional_cash_transaction": _T("marked occasional, in cash", f"({_OCCASIONAL} AND {_CASH})"),
    "occasional_transfer_of_funds": _T("marked occasional, by wire", f"({_OCCASIONAL} AND {_WIRE})"),
    "transaction": _T("any transaction", "TRUE"),
    "monetary_instrument": _T(
        "issue or redemption of a negotiable instrument",
        "channel = $cheque",
        "whether the instrument was issued or redeemed for the customer",
    ),
    "extension_of_credit": _T("extension of credit", "", "the nature of the credit"),
    "foreign_account": _T("foreign financial account", "", "the accounts held abroad"),
    "gambling": _T("gambling transaction", "", "the purpose of the transaction"),
    "trade": _T("trade in goods or services", "", "the purpose of the transaction"),
}

_MONEY: Final = r"(?:cash|currency)"
#: In the order in which they are tried: the first that is found in the sentence (or above it) decides.
_WORDS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "foreign_account",
        (r"foreign financial accounts?", r"accounts? (?:held|maintained) (?:abroad|outside)"),
    ),
    ("extension_of_credit", (r"extensions? of credit",)),
    (
        "gambling",
        (r"winnings", r"wagering", r"wagers?\b", r"gambling transactions?", r"stakes?\b", r"betting"),
    ),
    ("occasional_cash_transaction", (r"occasional (?:transactions? in cash|cash transactions?)",)),
    (
        "occasional_transfer_of_funds",
        (
            r"occasional transactions? that (?:constitutes?|is|are) an? transfers? of funds",
            r"occasional (?:wire transfers?|transfers? of funds)",
        ),
    ),
    (
        "occasional_transaction",
        (r"occasional (?:business )?transactions?", r"one-off transactions?", r"casual transactions?"),
    ),
    (
        "monetary_instrument",
        (
            r"traveller'?s'? cheques?",
            r"money orders?",
            r"cashier'?s checks?",
            r"bank (?:cheques|checks|drafts)",
            r"negotiable instruments?",
        ),
    ),
    (
        "international_transfer",
        (
            r"international (?:electronic )?funds transfers?",
            r"international (?:wire )?transfers?",
            r"cross-border (?:wire )?transfers?",
            r"outside the [A-Z]\w+",
            r"from one country to another",
        ),
    ),
    (
        "virtual_currency",
        (r"virtual (?:currency|currencies|assets?)", r"crypto-?assets?", r"crypto-?currenc(?:y|ies)"),
    ),
    (
        "transmittal_of_funds",
        (
            r"transmittals? of funds",
            r"transmittal orders?",
            r"transfers? of funds",
            r"(?:electronic )?funds transfers?",
            r"wire transfers?",
            r"electronic transfers?",
            r"payment orders?",
            r"credit transfers?",
            r"remittances?",
        ),
    ),
    (
        "cash_receipt",
        (
            rf"receipt[^.;]{{0,60}}\b{_MONEY}\b",
            rf"receiv(?:es?|ed|ing)[^.;]{{0,40}}\b{_MONEY}\b",
            rf"{_MONEY}[^.;]{{0,30}}\breceived",
            r"amounts? in cash",
        ),
    ),
    (
        "currency_transaction",
        (
            rf"transactions? in {_MONEY}",
            rf"{_MONEY} transactions?",
            r"cash in or cash out",
            r"deposits? or withdrawals? (?:of|in) cash",
        ),
    ),
    (
        "cash_payment",
        (
            rf"payments? in {_MONEY}",
            r"cash payments?",
            rf"\bin {_MONEY}\b",
            r"\bcash\b",
            r"physical currency",
        ),
    ),
    ("transaction", (r"\b(?:transactions?|payments?|transfers?|deposits?|withdrawals?)\b",)),
)
_PATTERNS: Final = tuple((code, re.compile("|".join(words), re.IGNORECASE)) for code, words in _WORDS)


def find_type(clauses: list[Clause], at: int | None = None) -> tuple[str, tuple[int, int], Clause] | None:
    """Return the transaction type that a clause, or one above it, names, with its characters.

    A narrower type wins over a wider one; of one type, the words nearest to the amount at `at`.
    """
    for code, pattern in _PATTERNS:
        for clause in clauses:
            hits = list(pattern.finditer(clause.passage.text, *clause.within))
            if hits:
                mine = clause is clauses[0] and at is not None
                best = min(hits, key=lambda m: abs(m.start() - at)) if mine and at is not None else hits[0]
                return code, best.span(), clause
    return None


def describe(code: str | None) -> TransactionType:
    """Return how a type is decided; an unknown one is decided by the owning bank."""
    return TYPES.get(
        code or "", TransactionType(code or "not said", "", "what kind of transaction the rule means")
    )


#: Types that overlap: words about one may be about the other.
_FAMILIES: Final = (
    frozenset({"currency_transaction", "cash_receipt", "cash_payment", "occasional_cash_transaction"}),
    frozenset({"transmittal_of_funds", "international_transfer", "occasional_transfer_of_funds"}),
    frozenset({"virtual_currency"}),
)


def type_of_words(words: str) -> str | None:
    """Return the transaction type that words name, by the same patterns as `find_type`."""
    return next((code for code, pattern in _PATTERNS if pattern.search(words)), None)


def akin(one: str | None, other: str | None) -> bool:
    """Say whether two transaction types may be about the same transaction."""
    return one == other or any(one in family and other in family for family in _FAMILIES)
