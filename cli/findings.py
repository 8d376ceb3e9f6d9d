"""Print findings: the duties with their due dates, and the trace from a row to its clause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cli.output import show_facts, show_table, tell
from ledger.money import money_text

if TYPE_CHECKING:
    from ledger.flag import Flag

__all__ = ["figures", "show_owed", "show_trace"]


def figures(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the single values of a flag's details; `show_owed` prints the lists and mappings."""
    return {k: v for k, v in details.items() if not isinstance(v, list | dict)}


def show_owed(flag: Flag, names: Mapping[int, str]) -> None:
    """Print the duties that follow from a finding, and the exemptions that may apply."""
    details = flag.details
    banks = details.get("banks") or ()
    rows = [
        (
            names.get(bank["agent"], f"bank {bank['agent']}"),
            bank["country"],
            _date(bank["due"]),
            _date(bank["keep_until"]),
        )
        for bank in banks
    ]
    if rows:
        title = f"Duty: {details.get('owes')}"
        show_table(title, ["bank", "country", "due", "record kept until"], rows)
        words = {bank[name]["words"] for bank in banks for name in ("due", "keep_until") if bank[name]}
        for line in sorted(words):
            tell(f"  {line}")
        tell("")
    exempt = [(e["rule"], e["clause"]) for e in details.get("exemptions_to_consider", ())]
    if exempt:
        show_table("Exemptions to consider", ["rule", "words"], exempt)


def _date(due: Mapping[str, Any] | None) -> str:
    if due is None:
        return "not stated"
    return due["at"] or due["on"] or "open"


def show_trace(flag: Flag, found: dict[str, Any], names: Mapping[int, str]) -> None:
    """Print the trace from a finding's rows to its clause."""
    total = found["sum"]
    rows = [
        (
            ", ".join(
                f"{names.get(p['member'], p['member'])} batch {p['sequence']} row {p['index']}"
                for p in row["places"]
            )
            or f"row {row['row']}",
            row["business_date"],
            row["time"][0][11:16],
            row["channel"] + "".join(f", {mark.replace('_', ' ')}" for mark in row["marks"]),
            " to ".join(dict.fromkeys(money_text(int(a), total["currency"]) for a in row["amount"])),
        )
        for row in found["rows"]
    ]
    columns = ["place", "business date", "time from (UTC)", "channel", "amount"]
    show_table("1  Rows on the ledger", columns, rows)
    low, high = (money_text(int(total[end]), total["currency"]) for end in ("low", "high"))
    amount = low if low == high else f"{low} to {high}"
    word = "Together" if len(rows) > 1 else "Amount"
    tell(f"2  {word} {amount} {total['currency']}: the rule's threshold is met ({total['certainty']}).")
    checked = [(fact["what"], fact["words"]) for fact in found["check"]]
    show_facts("3  The check, and the columns that it reads", checked)
    clause = found["clause"]
    show_facts(
        "4  The clause",
        [("citation", clause["citation"]), ("words", clause["words"])]
        + [(name.replace("_", " "), f"“{words}”") for name, words in clause["fields"].items()],
    )
    joined = [(j["what"], j["citation"], j["clause"], j["how"]) for j in found["joined"]]
    if joined:
        columns = ["part", "provision", "words", "linked because"]
        show_table("5  Parts from other provisions", columns, joined)
    show_owed(flag, names)
    text, steps = found["text"], found["approved"]
    show_facts(
        "6  Source of the rule",
        [("text", text["name"]), ("SHA-256", text["sha256"]), ("jurisdiction", text["jurisdiction"])]
        + [("rule set", found["rule_set"])]
        + [(step["step"], f"by {step['by']}, block {step['block']}") for step in steps]
        + [(f"edited: {e['field']}", f"{e['before']} to {e['after']}: {e['why']}") for e in found["edits"]],
    )
