"""Transaction types: the words a text uses, the code of the rule, and the columns a check can decide it by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from compliance.clauses import Clause

__all__ = ["TYPES", "TransactionType", "describe", "find_type"]


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
_WIRE: Final = "channel IN ($wire, $instant)"
_CRYPTO: Final = "channel = $crypto"
_ABROAD: Final = "(debtor_country <> creditor_country AND debtor_country > 0 AND creditor_country > 0)"
_OCCASIONAL: Final = "(flags & $occasional) > 0"

TYPES: Final[dict[str, TransactionType]] = {
    "currency_transaction": TransactionType("currency or cash: channel cash, or marked cash in or cash out", _CASH),
    "cash_receipt": TransactionType("cash received: marked cash in, or channel cash and not cash out", f"({_CASH} AND NOT ((flags & $cash_out) > 0 AND (flags & $cash_in) = 0))"),
    "cash_payment": TransactionType("cash: channel cash, or marked cash in or cash out", _CASH),
    "transmittal_of_funds": TransactionType("wire or instant transfer", _WIRE),
    "international_transfer": TransactionType("wire or instant transfer between two countries", f"({_WIRE} AND {_ABROAD})"),
    "virtual_currency": TransactionType("channel crypto", _CRYPTO),
    "occasional_transaction": TransactionType("marked occasional by the bank", _OCCASIONAL),
    "occasional_cash_transaction": TransactionType("marked occasional, in cash", f"({_OCCASIONAL} AND {_CASH})"),
    "occasional_transfer_of_funds": TransactionType("marked occasional, by wire or instant transfer", f"({_OCCASIONAL} AND {_WIRE})"),
    "transaction": TransactionType("any transaction", "TRUE"),
    "monetary_instrument": TransactionType("issue or redemption of a negotiable instrument", "channel = $cheque", "whether the instrument was issued or redeemed for the customer"),
    "extension_of_credit": TransactionType("extension of credit", "", "the nature of the credit"),
    "foreign_account": TransactionType("foreign financial account", "", "the accounts held abroad"),
    "gambling": TransactionType("gambling transaction", "", "the purpose of the transaction"),
    "trade": TransactionType("trade in goods or services", "", "the purpose of the transaction"),
}  # fmt: skip

#: In the order in which they are tried: the first that is found in the sentence (or above it) decides.
_WORDS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (code, re.compile(pattern, re.IGNORECASE))
    for code, pattern in (
        ("foreign_account", r"foreign financial accounts?|accounts? (?:held|maintained) (?:abroad|outside)"),
        ("extension_of_credit", r"extensions? of credit"),
        ("gambling", r"winnings|wagering|wagers?\b|gambling transactions?|stakes?\b|betting"),
        ("occasional_cash_transaction", r"occasional (?:transactions? in cash|cash transactions?)"),
        ("occasional_transfer_of_funds", r"occasional transactions? that (?:constitutes?|is|are) an? (?:transfers? of funds|wire transfers?)"),
        ("occasional_transaction", r"occasional (?:business )?transactions?|one-off transactions?|casual transactions?"),
        ("monetary_instrument", r"traveller'?s'? cheques?|money orders?|cashier'?s checks?|bank (?:cheques|checks|drafts)|negotiable instruments?"),
        ("international_transfer", r"international (?:electronic )?funds transfers?|international (?:wire )?transfers?|cross-border (?:wire )?transfers?|outside the [A-Z]\w+|from one country to another|outside [A-Z]\w+"),
        ("virtual_currency", r"virtual (?:currency|currencies|assets?)|crypto-?assets?|crypto-?currenc(?:y|ies)"),
        ("transmittal_of_funds", r"transmittals? of funds|transmittal orders?|transfers? of funds|(?:electronic )?funds transfers?|wire transfers?|electronic transfers?|payment orders?|credit transfers?|remittances?"),
        ("cash_receipt", r"receipt[^.;]{0,60}\b(?:cash|currency)\b|receiv(?:es?|ed|ing)[^.;]{0,40}\b(?:cash|currency)\b|(?:cash|currency)[^.;]{0,30}\breceived|amounts? in cash"),
        ("currency_transaction", r"transactions? in (?:currency|cash)|(?:currency|cash) transactions?|cash in or cash out|deposits? or withdrawals? (?:of|in) cash"),
        ("cash_payment", r"payments? in (?:cash|currency)|cash payments?|\bin cash\b|\bin currency\b|\bcash\b|physical currency"),
        ("transaction", r"\btransactions?\b|\bpayments?\b|\btransfers?\b|\bdeposits?\b|\bwithdrawals?\b"),
    )
)  # fmt: skip


def find_type(clauses: list[Clause], at: int | None = None) -> tuple[str, tuple[int, int], Clause] | None:
    """Return the transaction type that a clause, or one above it, names, with its characters.

    A narrower type wins over a wider one; of one type, the words nearest to the amount at `at`.
    """
    for code, pattern in _WORDS:
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
