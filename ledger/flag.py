"""The flag: what a detector or a rule says about rows of the ledger, in one shape for both.

A flag's fields are committed like a record's: its `flag_id` is the root over salted leaves, so a guess at
its content cannot be tested, and an addressee who is shown only its own entities and rows can still verify
them against the identifier that stands on the chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Literal

from ledger import canonical
from ledger.commitment import merkle
from ledger.commitment.record import SALT_SIZE, RecordCommitter, field_leaf, record_root
from ledger.errors import VerificationError

__all__ = [
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
    "entities_of",
    "verify_view",
]

FORMAT = "counterfoil/flag/1"
VIEW_FORMAT = "counterfoil/flag-view/1"

#: Most rows and entities one flag carries as evidence; a flag that is cut says `truncated`.
MAX_EVIDENCE = 200

Certainty = Literal["certain", "possible", "none", "needs_member"]
Severity = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True, order=True)
class RowRef:
    """A row's place on the ledger: member code, batch sequence, index in the batch."""

    member: int
    sequence: int
    index: int


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """An account or party, as its pseudonym (hex), and the agent that keeps it (0: not a member)."""

    pseudonym: str
    agent: int


@dataclass(frozen=True, slots=True)
class Position:
    """The ledger position a flag was computed at; the same rows give the same flag."""

    chain_id: int
    contract: str
    block: int
    log_size: int


#: The position of flags that come from a plain file.
OFF_LEDGER = Position(chain_id=0, contract="0x" + "0" * 40, block=0, log_size=0)


@dataclass(frozen=True, slots=True)
class FlagSource:
    """What raised the flag."""

    kind: Literal["detector", "rule"]
    id: str
    version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters_hash(self) -> str:
        """SHA-256, hex, of the parameters as canonical JSON."""
        return sha256(canonical.dumps(dict(self.parameters))).hexdigest()


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
        Evidence, at most `MAX_EVIDENCE` of each; what is cut sets `truncated`.
    window : (int, int)
        Unix seconds, the upper end excluded.
    score : float or None
        A calibrated probability, or None where there is none.
    certainty, severity : str
    explanation : str
        One sentence a compliance officer can read; names no entity.
    citation, clause : str, optional
        For a finding: the provision and its words.
    truncated : bool
        Whether a step budget, a hub policy or `MAX_EVIDENCE` cut something.
    details : mapping
        Figures behind the sentence (counts, sums, bands): JSON values.
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
        """Return the flag with at most `MAX_EVIDENCE` rows and entities, marked if that cut any."""
        if len(self.rows) <= MAX_EVIDENCE and len(self.entities) <= MAX_EVIDENCE:
            return self
        return replace(
            self, rows=self.rows[:MAX_EVIDENCE], entities=self.entities[:MAX_EVIDENCE], truncated=True
        )

    def to_json(self) -> dict[str, Any]:
        """Return the flag's content as JSON values; two computations of one flag give equal content."""
        return {
            "format": FORMAT,
            "source": {
                "kind": self.source.kind,
                "id": self.source.id,
                "version": self.source.version,
                "parameters": dict(self.source.parameters),
                "parameters_hash": self.source.parameters_hash,
            },
            "title": self.title,
            "citation": self.citation,
            "clause": self.clause,
            "position": {
                "chain_id": self.position.chain_id,
                "contract": self.position.contract,
                "block": self.position.block,
                "log_size": self.position.log_size,
            },
            "entity_count": len(self.entities),
            "entities": [{"pseudonym": e.pseudonym, "agent": e.agent} for e in self.entities],
            "row_count": len(self.rows),
            "rows": [{"member": r.member, "sequence": r.sequence, "index": r.index} for r in self.rows],
            "window": list(self.window),
            "score": self.score,
            "certainty": self.certainty,
            "severity": self.severity,
            "explanation": self.explanation,
            "truncated": self.truncated,
            "details": dict(self.details),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Flag:
        """Rebuild a flag from `to_json`.

        Raises
        ------
        VerificationError
            When a field is missing, of the wrong type, or the parameters do not hash to what is said.
        """
        try:
            if value["format"] != FORMAT:
                raise VerificationError("unknown flag format", expected=FORMAT, got=value["format"])
            source = value["source"]
            flag = cls(
                source=FlagSource(source["kind"], source["id"], source["version"], source["parameters"]),
                title=value["title"],
                citation=value["citation"],
                clause=value["clause"],
                position=Position(**value["position"]),
                entities=tuple(Entity(**e) for e in value["entities"]),
                rows=tuple(RowRef(**r) for r in value["rows"]),
                window=(int(value["window"][0]), int(value["window"][1])),
                score=value["score"],
                certainty=value["certainty"],
                severity=value["severity"],
                explanation=value["explanation"],
                truncated=value["truncated"],
                details=value["details"],
            )
            claimed, again = source["parameters_hash"], flag.to_json()
        except (KeyError, TypeError, IndexError, ValueError, AttributeError, ArithmeticError) as error:
            raise VerificationError(f"the flag is malformed: {error!r}") from error
        if claimed != flag.source.parameters_hash:
            raise VerificationError(
                "the flag's parameters do not match their hash",
                expected=claimed,
                got=flag.source.parameters_hash,
            )
        if again != value:
            raise VerificationError("the flag says more or other than its format allows")
        return flag

    def flag_id(self, seed: bytes) -> bytes:
        """Return the 32-byte identifier: the root over the salted fields under `seed` (32 random bytes)."""
        fields = self._fields()
        return record_root(fields, seed, leaves=_leaves(len(fields)))

    def leaf_hashes(self, seed: bytes) -> list[bytes]:
        """Return the hashes whose root is the identifier; they are salted and tell nothing."""
        fields = self._fields()
        committer = RecordCommitter([name for name, _ in fields], leaves=_leaves(len(fields)))
        return committer.leaves([value for _, value in fields], seed)

    def view(self, seed: bytes, agent: int | None = None) -> dict[str, Any]:
        """Return what one addressee is shown: the common fields, and its own entities and rows.

        Parameters
        ----------
        seed : bytes
            The flag's seed, as for `flag_id`.
        agent : int, optional
            The addressee's member code; None opens everything (the desk, an officer).
        """
        fields = self._fields()
        committer = RecordCommitter([name for name, _ in fields], leaves=_leaves(len(fields)))
        values = [value for _, value in fields]
        leaves: list[Any] = [leaf.hex() for leaf in committer.leaves(values, seed)]
        shown = [n for n, owner in self._owners().items() if agent is None or owner in (None, agent)]
        for opened in committer.open_all(values, seed, shown):
            leaves[opened.index] = [opened.name, opened.value, opened.salt.hex()]
        return {"format": VIEW_FORMAT, "leaves": leaves}

    def _owners(self) -> dict[str, int | None]:
        """Map each field's name to the member it may be shown to (None: every addressee)."""
        owners: dict[str, int | None] = dict.fromkeys(_COMMON)
        owners |= {f"entities/{i}": e.agent for i, e in enumerate(self.entities)}
        owners |= {f"rows/{i}": r.member for i, r in enumerate(self.rows)}
        return owners

    def _fields(self) -> list[tuple[str, str | None]]:
        value = self.to_json()
        items = [*(value[name] for name in _COMMON), *value["entities"], *value["rows"]]
        return list(zip(_names(len(self.entities), len(self.rows)), map(_text, items), strict=True))


_COMMON = (
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
    """Check a flag's view against the identifier on the chain and return the fields it opens.

    Returns
    -------
    dict
        The common fields by name, and `entities` and `rows` with what the addressee may see.

    Raises
    ------
    VerificationError
        When the view is malformed or a field does not belong to the flag.
    """
    shown: dict[str, Any] = {"entities": [], "rows": []}
    hashes: list[bytes] = []
    opened: dict[int, str] = {}
    try:
        if view["format"] != VIEW_FORMAT or set(view) != {"format", "leaves"}:
            raise VerificationError("unknown flag view format", expected=VIEW_FORMAT, got=view["format"])
        for index, leaf in enumerate(view["leaves"]):
            if isinstance(leaf, str):
                hashes.append(_sized(leaf, 32))
                continue
            name, text, salt = leaf
            hashes.append(field_leaf(name, text, _sized(salt, SALT_SIZE)))
            opened[index] = name
            value = None if text is None else canonical.loads(text.encode(), what=name)
            group, _, item = name.partition("/")
            if item:
                shown[group].append(value)
            else:
                shown[group] = value
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VerificationError(f"the flag view is malformed: {error!r}") from error
    root = merkle.root(hashes)
    if root != flag_id:
        raise VerificationError("the flag view does not belong to the flag", expected=flag_id, got=root)
    missing = [name for name in _COMMON if name not in shown]
    if missing:
        raise VerificationError(f"the flag view lacks {', '.join(missing)}")
    counts = (shown["entity_count"], shown["row_count"])
    if not all(type(count) is int and 0 <= count <= MAX_EVIDENCE for count in counts):
        raise VerificationError("the flag view tells no number of entities and rows")
    names = _names(*counts)
    if len(hashes) != _leaves(len(names)) or any(
        index >= len(names) or names[index] != name for index, name in opened.items()
    ):
        raise VerificationError("the flag view opens a field that is not at its own leaf")
    return shown


def _names(entities: int, rows: int) -> list[str]:
    """Return the names of a flag's leaves, in their order."""
    counts = {"entities": entities, "rows": rows}
    return [*_COMMON, *(f"{group}/{i}" for group, count in counts.items() for i in range(count))]


def _sized(text: str, size: int) -> bytes:
    data = bytes.fromhex(text)
    if len(data) != size or data.hex() != text:
        raise ValueError(f"not {size} bytes in hex")
    return data


def _leaves(fields: int) -> int:
    """Pad to a power of two from 32 up, so that the number of leaves tells little."""
    return max(32, 1 << (fields - 1).bit_length())


def _text(value: Any) -> str | None:
    return None if value is None else canonical.dumps(value).decode()


def entities_of(pairs: Sequence[tuple[bytes, int]]) -> tuple[Entity, ...]:
    """Return distinct entities, sorted, from (pseudonym bytes, agent code) pairs."""
    return tuple(sorted({Entity(pseudonym.hex(), agent) for pseudonym, agent in pairs}))
