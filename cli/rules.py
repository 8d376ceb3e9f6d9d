"""``counterfoil rules``: extract rules from regulation texts, and put rule sets in force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import rule_life, rule_views
from cli.output import settings, show_table
from counterfoil.rules import extract_rules, rule_documents_json, text_of

if TYPE_CHECKING:
    from compliance.model import RuleDocument

__all__ = ["app"]

app = typer.Typer(help="Extract rules from regulation texts; put a rule set in force.", no_args_is_help=True)

Files = Annotated[
    list[Path], typer.Argument(help="Files with regulation texts: UTF-8 text, HTML, XML or PDF.")
]
Jurisdiction = Annotated[
    str | None,
    typer.Option(
        help="Country (two letters); it decides the currency of a bare $. Default: read it from the text."
    ),
]


@app.command()
def extract(
    context: typer.Context,
    files: Files,
    jurisdiction: Jurisdiction = None,
    format: Annotated[str, typer.Option(help="Output format: table or json.")] = "table",
) -> None:
    """Extract rules from texts, with the words for each field; unclear rules are marked for review."""
    options = settings(context)
    documents = [extract_rules(path, jurisdiction=jurisdiction) for path in files]
    if options.json or format == "json":
        typer.echo(rule_documents_json(documents))
        return
    for path, document in zip(files, documents, strict=True):
        _render(document, text_of(path))


def _render(document: RuleDocument, text: str) -> None:
    rows = []
    for rule in document.rules:
        trigger = rule.trigger
        amount = (
            ""
            if trigger is None or trigger.amount is None
            else f"{trigger.op} {trigger.currency} {trigger.amount}"
        )
        words = " ".join(text[slice(*rule.span)].split())
        rows.append((rule.rule_id, rule.kind, rule.modality, amount, rule.status, words[:90]))
    show_table(document.document, ["rule", "kind", "modality", "threshold", "status", "words"], rows)
    if document.rejected:
        rejected = [(r.text, r.reason) for r in document.rejected]
        show_table("Amounts that are not thresholds", ["words", "reason"], rejected)


rule_views.register(app)
rule_life.register(app)
