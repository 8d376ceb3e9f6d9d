"""The flag: the report of a detector or of a rule about rows of the ledger; both use the same format.

A flag's fields are committed like the fields of a record: its `flag_id` is the Merkle root over salted
leaves, so nobody can test a guess of its content. An addressee sees only its own entities and rows, and can
still verify them against the identifier on the chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Annotated, Any, Literal

from msgspec import Meta

from ledger import canonical, documents
from ledger.commitment import merkle
from ledger.commitment.record import RecordCommitter, field_leaf, record_root
from ledger.documents import Count, Document, Hash, Salt
from ledger.errors import VerificationError

__all__ = [
    "COMMON",
    "FORMAT",
    "MAX_EVIDENCE",
    "OFF_LEDGER",
    "VIEW_FORMAT",
    "Certainty",
    "Entity",
    "Flag",
    "FlagSource",
    "Position",
    "RowRef",
    "Severity",
    "verify_view",
]

FORMAT = "counterfoil/flag/1"
VIEW_FORMAT = "counterfoil/flag-view/1"

#: The most rows, and the most entities, in one flag; a flag that had more is marked `truncated`.
MAX_EVIDENCE = 200

Certainty = Literal["certain", "possible", "none", "needs_member"]
Severity = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True, order=True)
class RowRef:
    """Position of a row on the ledger: member code, batch sequence, index in the batch."""

    member: Count
    sequence: Count
    index: Count


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """An account or party: its pseudonym (hex) and the code of its bank (0: not a member)."""

    pseudonym: str
    agent: Count


@dataclass(frozen=True, slots=True)
class Position:
    """The ledger position at which a flag was computed; the same rows give the same flag."""

    chain_id: Count
    contract: str
    block: Count
    log_size: Count


#: The position of flags that come from a plain file.
OFF_LEDGER = Position(chain_id=0, contract="0x" + "0" * 40, block=0, log_size=0)


@dataclass(frozen=True, slots=True)
class FlagSource:
    """The detector or the rule that raised the flag."""

    kind: Literal["detector", "rule"]
    id: str
    version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters_hash(self) -> str:
        """SHA-256 (hex) of the parameters in canonical JSON."""
        return sha256(canonical.dumps(dict(self.parameters))).hexdigest()


class SourceDocument(Document):
    """The source of a flag in JSON."""

    kind: Literal["detector", "rule"]
    id: str
    version: str
    parameters: dict[str, Any]
    parameters_hash: Hash


class FlagDocument(Document, tag_field="format", tag=FORMAT):
    """A flag, or an opened view of one, in JSON; a view may count more entities and rows than it lists."""

    source: SourceDocument
    title: str
    citation: str | None
    clause: str | None
    position: Position
    entity_count: Count
    entities: list[Entity]
    row_count: Count
    rows: list[RowRef]
    window: Annotated[list[int], Meta(min_length=2, max_length=2)]
    score: float | None
    certainty: Certainty
    severity: Severity
    explanation: str
    truncated: bool
    details: dict[str, Any]


class ViewDocument(Document, tag_field="format", tag=VIEW_FORMAT):
    """A flag's view in JSON: a closed leaf is a hash; an open leaf is a name, a value and a salt."""

    leaves: list[Hash | tuple[str, str | None, Salt]]


@dataclass(frozen=True, slots=True)
class Flag:
    """A detector's flag or a rule's finding.

    Parameters
    ----------
    source : FlagSource
    title : str
        The typology (detector) or the rule identifier (rule).
    position : Position
    entities : sequence of Entity
    rows : sequence of RowRef
        Evidence, at most `MAX_EVIDENCE` of each; `truncated` is set when there were more.
    window : (int, int)
        Unix seconds; the upper end is excluded.
    score : float or None
        A calibrated probability, if there is one.
    certainty, severity : str
    explanation : str
        One sentence for a compliance officer; it names no entity.
    citation, clause : str, optional
        For a finding: the provision and its text.
    truncated : bool
        Whether a step budget, a hub policy or `MAX_EVIDENCE` removed something.
    details : mapping
        The figures that the explanation uses (counts, sums, bands): JSON values.
    """

    source: FlagSource
    title: str
    position: Position
    entities: tuple[Entity, ...]
    rows: tuple[RowRef, ...]
    window: tuple[int, int]
    score: float | None
    certainty: Certainty
    severity: Severity
    explanation: str
    citation: str | None = None
    clause: str | None = None
    truncated: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    def bounded(self) -> Flag:
        """Return the flag with at most `MAX_EVIDENCE` rows and entities; mark it if some were removed."""
        if len(self.rows) <= MAX_EVIDENCE and len(self.entities) <= MAX_EVIDENCE:
            return self
        return replace(
            self, rows=self.rows[:MAX_EVIDENCE], entities=self.entities[:MAX_EVIDENCE], truncated=True
        )

    def to_json(self) -> dict[str, Any]:
        """Return the flag's content as JSON values; computing the same flag again gives equal content."""
        source = SourceDocument(
            kind=self.source.kind,
            id=self.source.id,
            version=self.source.version,
            parameters=dict(self.source.parameters),
            parameters_hash=self.source.parameters_hash,
        )
        document = FlagDocument(
            source=source,
            title=self.title,
            citation=self.citation,
            clause=self.clause,
            position=self.position,
            entity_count=len(self.entities),
            entities=list(self.entities),
            row_count=len(self.rows),
            rows=list(self.rows),
            window=list(self.window),
            score=self.score,
            certainty=self.certainty,
            severity=self.severity,
            explanation=self.explanation,
            truncated=self.truncated,
            details=dict(self.details),
        )
        value: dict[str, Any] = documents.plain(document)
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Flag:
        """Rebuild a flag from `to_json`.

        Raises
        ------
        VerificationError
            When a field is missing or has the wrong type, or the parameters do not match their hash.
        """
        document = documents.convert(value, FlagDocument, what="flag")
        source = document.source
        flag = cls(
            source=FlagSource(source.kind, source.id, source.version, source.parameters),
            title=document.title,
            citation=document.citation,
            clause=document.clause,
            position=document.position,
            entities=tuple(document.entities),
            rows=tuple(document.rows),
            window=(document.window[0], document.window[1]),
            score=document.score,
            certainty=document.certainty,
            severity=document.severity,
            explanation=document.explanation,
            truncated=document.truncated,
            details=document.details,
        )
        if source.parameters_hash != flag.source.parameters_hash:
            raise VerificationError(
                "the flag's parameters do not match their hash",
                expected=source.parameters_hash,
                got=flag.source.parameters_hash,
            )
        if (document.entity_count, document.row_count) != (len(flag.entities), len(flag.rows)):
            raise VerificationError("the flag's entity or row count does not match its lists")
        return flag

    def flag_id(self, seed: bytes) -> bytes:
        """Return the 32-byte identifier: the root over the salted fields under `seed` (32 random bytes)."""
        fields = self._fields()
        return record_root(fields, seed, leaves=_leaves(len(fields)))

    def leaf_hashes(self, seed: bytes) -> list[bytes]:
        """Return the leaf hashes whose root is the identifier; they are salted and reveal no content."""
        fields = self._fields()
        committer = RecordCommitter([name for name, _ in fields], leaves=_leaves(len(fields)))
        return committer.leaves([value for _, value in fields], seed)

    def view(self, seed: bytes, agent: int | None = None) -> dict[str, Any]:
        """Return the view for one addressee: the common fields, and the addressee's entities and rows.

        Parameters
        ----------
        seed : bytes
            The flag's seed, as for `flag_id`.
        agent : int, optional
            The addressee's member code; None opens every field (for the desk and the officers).
        """
        fields = self._fields()
        committer = RecordCommitter([name for name, _ in fields], leaves=_leaves(len(fields)))
        values = [value for _, value in fields]
        leaves: list[Any] = [leaf.hex() for leaf in committer.leaves(values, seed)]
        shown = [n for n, owner in self.owners().items() if agent is None or owner in (None, agent)]
        for opened in committer.open_all(values, seed, shown):
            leaves[opened.index] = [opened.name, opened.value, opened.salt.hex()]
        return {"format": VIEW_FORMAT, "leaves": leaves}

    def owners(self) -> dict[str, int | None]:
        """Map each field's name to the member that may see it (None: every addressee)."""
        owners: dict[str, int | None] = dict.fromkeys(COMMON)
        owners |= {f"entities/{i}": e.agent for i, e in enumerate(self.entities)}
        owners |= {f"rows/{i}": r.member for i, r in enumerate(self.rows)}
        return owners

    def _fields(self) -> list[tuple[str, str | None]]:
        value = self.to_json()
        items = [*(value[name] for name in COMMON), *value["entities"], *value["rows"]]
        return list(zip(_names(len(self.entities), len(self.rows)), map(_text, items), strict=True))


#: The fields that every addressee may see, in the order of their leaves; entities and rows follow them.
COMMON = (
    "format",
    "source",
    "title",
    "citation",
    "clause",
    "position",
    "window",
    "score",
    "certainty",
    "severity",
    "explanation",
    "truncated",
    "details",
    "entity_count",
    "row_count",
)


def verify_view(view: Mapping[str, Any], flag_id: bytes) -> dict[str, Any]:
    """Check a flag's view against the identifier on the chain and return the opened fields.

    Returns
    -------
    dict
        The common fields by name, and the `entities` and `rows` that the addressee may see.

    Raises
    ------
    VerificationError
        When the view is malformed or a field does not belong to the flag.
    """
    document = documents.convert(view, ViewDocument, what="flag view")
    parts: dict[str, list[Any]] = {"entities": [], "rows": []}
    common: dict[str, Any] = {}
    hashes: list[bytes] = []
    opened: dict[int, str] = {}
    for index, leaf in enumerate(document.leaves):
        if isinstance(leaf, str):
            hashes.append(bytes.fromhex(leaf))
            continue
        name, text, salt = leaf
        hashes.append(field_leaf(name, text, bytes.fromhex(salt)))
        opened[index] = name
        value = None if text is None else canonical.loads(text.encode(), what="flag view")
        group, separator, _ = name.partition("/")
        if separator:
            parts.setdefault(group, []).append(value)
        else:
            common[name] = value
    root = merkle.root(hashes)
    if root != flag_id:
        raise VerificationError("the flag view does not belong to the flag", expected=flag_id, got=root)
    shown = parts | common
    told = documents.convert(shown, FlagDocument, what="flag view")
    counts = (told.entity_count, told.row_count)
    if max(counts) > MAX_EVIDENCE:
        raise VerificationError(f"the flag view has more than {MAX_EVIDENCE} entities or rows")
    names = _names(*counts)
    if len(hashes) != _leaves(len(names)) or any(
        index >= len(names) or names[index] != name for index, name in opened.items()
    ):
        raise VerificationError("the flag view opens a field at the wrong leaf")
    return shown


def _names(entities: int, rows: int) -> list[str]:
    """Return the names of a flag's leaves, in order."""
    counts = {"entities": entities, "rows": rows}
    return [*COMMON, *(f"{group}/{i}" for group, count in counts.items() for i in range(count))]


def _leaves(fields: int) -> int:
    """Pad to a power of two, at least 32, so that the number of leaves reveals little."""
    return max(32, 1 << (fields - 1).bit_length())


def _text(value: Any) -> str | None:
    return None if value is None else canonical.dumps(value).decode()
