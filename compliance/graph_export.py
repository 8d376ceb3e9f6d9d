"""The knowledge graph for other programs: JSON-LD 1.1 and GraphML.

References
----------
.. [1] W3C, JSON-LD 1.1, 2020. Provisions are `eli:LegalResourceSubdivision` of the European Legislation
   Identifier; what it has no word for stands in the project's own vocabulary.
"""

from __future__ import annotations

import io
import json
from typing import Any, Final
from urllib.parse import quote

import networkx as nx

from compliance.graph import Graph

__all__ = ["to_graphml", "to_jsonld"]

_CONTEXT: Final = {
    "@vocab": "urn:counterfoil:law:",
    "eli": "http://data.europa.eu/eli/ontology#",
    "citation": "eli:id_local",
    "contains": {"@id": "eli:has_part", "@type": "@id"},
    "in_force_since": "eli:first_date_entry_in_force",
    "in_force_until": "eli:date_no_longer_in_force",
} | {
    name: {"@type": "@id"}
    for name in (
        "states", "read_from", "obliges", "set_off_by", "except", "refers_to", "leads_to", "deadline",
        "retention", "exemption", "aggregation", "threshold",
    )
}  # fmt: skip
_TYPES: Final = {"provision": "eli:LegalResourceSubdivision", "text": "eli:LegalExpression"}


def to_jsonld(graph: Graph) -> dict[str, Any]:
    """Return the graph as a JSON-LD document; nodes and edges in a fixed order."""
    items = []
    for node, data in sorted(graph.nodes(data=True)):
        item: dict[str, Any] = {
            "@id": _iri(node),
            "@type": _TYPES.get(data["type"], data["type"].capitalize()),
        }
        item |= {k: v for k, v in sorted(data.items()) if v is not None and k != "type"}
        for _, other, edge in sorted(
            graph.out_edges(node, data=True), key=lambda e: (e[2]["relation"], e[1])
        ):
            item.setdefault(edge["relation"], []).append(_iri(other))
        items.append(item)
    return {"@context": _CONTEXT, "@id": f"urn:sha256:{graph.graph['rule_set']}", "@graph": items}


def _iri(node: str) -> str:
    return "urn:counterfoil:node:" + quote(node, safe="")


def to_graphml(graph: Graph) -> bytes:
    """Return the graph as GraphML (UTF-8); fields that are not told are left out."""
    plain: Graph = nx.MultiDiGraph()
    for node, data in sorted(graph.nodes(data=True)):
        plain.add_node(node, **{k: v for k, v in data.items() if v is not None})
    edges = sorted(graph.edges(data=True), key=lambda e: (e[0], e[1], json.dumps(e[2], sort_keys=True)))
    for one, other, data in edges:
        plain.add_edge(one, other, **{k: v for k, v in data.items() if v is not None})
    out = io.BytesIO()
    nx.write_graphml(plain, out)
    return out.getvalue()
