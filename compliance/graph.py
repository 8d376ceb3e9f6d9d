"""The knowledge graph of a rule set: provisions, rules, obligations, thresholds, exemptions and references.

>>> from compliance.rulebook import model_ruleset
>>> graph = knowledge_graph(model_ruleset())
>>> [graph.nodes[node]["citation"].split(",")[0] for node in query(graph, "rule", kind="limit")]
['Model rulebook (EU) Art. 2(1)']
>>> sorted(query(graph, "rule", joined="deadline"))[:1]
['ca-modelrulebookcaart.1-1']
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import networkx as nx

from compliance.linking import joins
from compliance.model import Rule
from compliance.places import Place, place_of, refers
from compliance.ruleset import RuleSet
from ledger.errors import InputError

__all__ = ["KINDS", "around", "knowledge_graph", "query"]

Graph: TypeAlias = "nx.MultiDiGraph[Any]"

#: Kinds of nodes.
KINDS: Final = ("text", "provision", "rule", "obligation", "threshold", "exemption", "reference")
_RULE: Final = ("kind", "modality", "subject", "transaction_type", "status", "citation")


def knowledge_graph(ruleset: RuleSet) -> Graph:
    """Return the graph of a rule set.

    Nodes carry `type` (one of `KINDS`) and their fields; edges carry `relation`:

    * `contains`: a provision and its parts; `states`: a provision and a rule; `read_from`: a rule, its text,
    * `obliges`, `set_off_by`, `except`, `refers_to`: a rule and its obligation, threshold, exemption and
      reference,
    * `leads_to`: a reference and the provision it names, where that is in the set,
    * `deadline`, `retention`, `exemption`, `aggregation`, `threshold`: a rule and the one that completes it,
      with `how` in words.
    """
    graph: Graph = nx.MultiDiGraph(name=ruleset.name, rule_set=ruleset.hash.hex())
    for source in ruleset.sources:
        graph.add_node(
            f"text:{source.document}",
            type="text",
            document=source.document,
            sha256=source.sha256,
            jurisdiction=source.jurisdiction,
        )
    places = {rule.rule_id: place_of(rule) for rule in ruleset.rules}
    for rule in ruleset.rules:
        _add_rule(graph, ruleset, rule, places[rule.rule_id])
    for rule in ruleset.rules:
        _add_references(graph, rule, places)
    for join in joins(ruleset.rules, ruleset.clauses):
        graph.add_edge(join.rule, join.other, relation=join.what, how=join.how)
    return graph


def _add_rule(graph: Graph, ruleset: RuleSet, rule: Rule, place: Place | None) -> None:
    name = rule.rule_id
    fields = {field: getattr(rule, field) for field in _RULE}
    graph.add_node(
        name,
        type="rule",
        clause=ruleset.clauses[name],
        jurisdiction=ruleset.jurisdiction(name),
        **{f"in_force_{end}": day for end, day in ruleset.term(name).to_json().items()},
        **fields,
        **_amounts(rule),
    )
    graph.add_edge(
        name, f"text:{ruleset.origin[name]}", relation="read_from", span=f"{rule.span[0]}-{rule.span[1]}"
    )
    above = None
    for node, label in _steps(place):
        graph.add_node(node, type="provision", citation=label)
        if above is not None and not graph.has_edge(above, node):
            graph.add_edge(above, node, relation="contains")
        above = node
    if above is not None:
        graph.add_edge(above, name, relation="states")
    duty = f"{name}#obligation"
    graph.add_node(duty, type="obligation", subject=rule.subject, modality=rule.modality, action=rule.action)
    graph.add_edge(name, duty, relation="obliges")
    trigger = rule.trigger
    if trigger is not None and trigger.amount is not None:
        threshold = ":".join(
            filter(None, ("threshold", trigger.op, trigger.amount, trigger.amount_max, trigger.currency))
        )
        graph.add_node(threshold, type="threshold", **_amounts(rule))
        graph.add_edge(name, threshold, relation="set_off_by", words=ruleset.words[name].get("trigger"))
    for i, exemption in enumerate(rule.exemptions):
        graph.add_node(f"{name}#exemption{i}", type="exemption", words=" ".join(exemption.text.split()))
        graph.add_edge(name, f"{name}#exemption{i}", relation="except")


def _amounts(rule: Rule) -> dict[str, Any]:
    trigger = rule.trigger
    if trigger is None:
        return {}
    return {
        "op": trigger.op,
        "amount": trigger.amount,
        "amount_max": trigger.amount_max,
        "currency": trigger.currency,
        "equivalent_currency": trigger.equivalent_currency,
    }


def _steps(place: Place | None) -> Iterator[tuple[str, str]]:
    """Yield the provisions that lead to a place, outermost first: instrument, section, its parts."""
    if place is None:
        return
    label = place.instrument
    yield f"provision:{label}", label
    label = f"{place.instrument} {place.section}"
    yield f"provision:{label}", label
    for part in place.path:
        label += f"({part})"
        yield f"provision:{label}", label


def _add_references(graph: Graph, rule: Rule, places: dict[str, Place | None]) -> None:
    here = places[rule.rule_id]
    for reference in rule.references:
        node = f"reference:{rule.rule_id}:{reference}"
        graph.add_node(node, type="reference", words=reference)
        graph.add_edge(rule.rule_id, node, relation="refers_to")
        if here is None:
            continue
        for other, there in places.items():
            if other != rule.rule_id and there is not None and refers(reference, here, there):
                *_, (provision, _label) = _steps(there)
                if not graph.has_edge(node, provision):
                    graph.add_edge(node, provision, relation="leads_to")


def query(graph: Graph, type: str | None = None, *, joined: str | None = None, **fields: Any) -> list[str]:
    """Return the nodes of a type whose fields have these values, sorted.

    Parameters
    ----------
    graph : networkx.MultiDiGraph
    type : str, optional
        One of `KINDS`.
    joined : str, optional
        Only nodes that an edge of this relation leaves ("deadline", "refers_to").
    fields
        Values compared as text; "*" stands for any value but none.

    Raises
    ------
    InputError
        For an unknown type.
    """
    if type is not None and type not in KINDS:
        raise InputError(f"no node is a {type!r}", next_step=f"Use one of {', '.join(KINDS)}.")
    found = []
    for node, data in graph.nodes(data=True):
        if type is not None and data.get("type") != type:
            continue
        if not all(_is(data.get(name), value) for name, value in fields.items()):
            continue
        if joined is not None and joined not in {d["relation"] for *_, d in graph.out_edges(node, data=True)}:
            continue
        found.append(str(node))
    return sorted(found)


def _is(value: Any, wanted: Any) -> bool:
    return value is not None if wanted == "*" else str(value) == str(wanted)


def around(graph: Graph, node: str, steps: int = 1) -> Graph:
    """Return what stands within some steps of a node, whatever the direction of the edges.

    Raises
    ------
    InputError
        When the graph has no such node.
    """
    if node not in graph:
        raise InputError(f"the graph has no node {node!r}", next_step="See `counterfoil rules graph`.")
    found: Graph = nx.ego_graph(graph, node, radius=steps, undirected=True)
    return found
