"""Policies: which logs and witnesses are trusted, and how many witnesses must have cosigned.

A policy is a text with one definition on each line::

    log <verifier key> [<URL>]
    witness <name> <verifier key> [<URL>]
    group <name> <number|any|all> <name>...
    quorum <name|none>

Names and URLs have a meaning only within the policy. A URL is where a log is read, or where a witness takes
checkpoints.

References
----------
.. [1] C2SP tlog-policy, https://c2sp.org/tlog-policy
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from ledger.errors import ConfigurationError
from ledger.log.notes import CheckpointError, KeyType, VerifierKey

__all__ = ["Group", "Log", "Policy", "Witness", "consortium_policy"]

_NONE: Final = "none"
_MAX_TEXT: Final = 1 << 20
_LOG_TYPES: Final = (KeyType.ED25519, KeyType.ML_DSA_44)
_WITNESS_TYPES: Final = (KeyType.COSIGNATURE, KeyType.ML_DSA_44)
_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_THRESHOLD: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
#: Name of the group of all witnesses in a policy that we write; agent identifiers are in upper case.
_WITNESSES: Final = "witnesses"


@dataclass(frozen=True, slots=True)
class Log:
    """A log of a policy: its key, which is named as its origin, and where it is read."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness of a policy: its name there, its key, and where it takes checkpoints."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A group of witnesses and of other groups: it has cosigned when `threshold` of its members have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(slots=True)
class _Parts:
    """What the lines of a policy define, so far."""

    logs: list[Log] = field(default_factory=list)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy.

    Parameters
    ----------
    text : str
        The text of the policy, as it was written.
    log_keys : tuple of VerifierKey
        The keys of the logs.
    logs : mapping of origin to Log
        The logs; the first of each origin, if a log has several keys.
    witnesses : mapping of name to Witness
    groups : mapping of name to Group
    quorum : str
        Name of the witness or group that must have cosigned; ``none`` if no cosignature is needed.
    """

    text: str
    log_keys: tuple[VerifierKey, ...]
    logs: Mapping[str, Log]
    witnesses: Mapping[str, Witness]
    groups: Mapping[str, Group]
    quorum: str

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read a policy.

        Parameters
        ----------
        text : str or bytes
            Bytes that are not UTF-8 are allowed in names and URLs, and mean themselves.

        Raises
        ------
        ConfigurationError
            When the text is not a policy.
        """
        given = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
        if len(given) > _MAX_TEXT or _FORBIDDEN.search(given):
            raise ConfigurationError("the policy is too long, or has a control character", where="policy")
        parts = _Parts()
        for number, line in enumerate(given.split("\n"), 1):
            words = [word for word in re.split(r"[ \t]+", line) if word]
            if not words or words[0].startswith("#"):
                continue
            try:
                _READ[words[0]](parts, words[1:])
            except KeyError as error:
                raise _wrong("it begins with none of log, witness, group and quorum", number) from error
            except ConfigurationError as error:
                raise _wrong(error.what, number) from error
        if parts.quorum is None:
            raise ConfigurationError("the policy has no quorum line", where="policy")
        logs: dict[str, Log] = {}
        for log in parts.logs:
            logs.setdefault(log.key.name, log)
        keys = tuple(log.key for log in parts.logs)
        return cls(given, keys, logs, parts.witnesses, parts.groups, parts.quorum)

    def require(self, cosigned: Collection[str]) -> None:
        """Check that these witnesses are a quorum.

        Parameters
        ----------
        cosigned : collection of str
            Names of the witnesses whose cosignatures verify.

        Raises
        ------
        CheckpointError
            When they are not.
        """
        if self.quorum == _NONE:
            return
        met = {name for name in cosigned if name in self.witnesses}
        for group in self.groups.values():  # a group's members are defined before it
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        if self.quorum not in met:
            named = ", ".join(sorted(cosigned)) or "no witness"
            raise CheckpointError(
                f"the checkpoint is not cosigned by the quorum of the policy: {named} cosigned it",
                where=f"quorum {self.quorum}",
                next_step="Get a checkpoint that enough witnesses have cosigned.",
            )

    def without_urls(self) -> Policy:
        """Return the same policy without URLs and comments, as a verifier keeps it."""
        lines = [f"log {key.text}" for key in self.log_keys]
        lines += [f"witness {witness.name} {witness.key.text}" for witness in self.witnesses.values()]
        for group in self.groups.values():
            lines.append(f"group {group.name} {group.threshold} {' '.join(group.members)}")
        return Policy.parse("".join(f"{line}\n" for line in [*lines, f"quorum {self.quorum}"]))


def consortium_policy(logs: Sequence[Log], witnesses: Sequence[Witness] = (), k: int = 0) -> Policy:
    """Write the policy of a consortium.

    Parameters
    ----------
    logs : sequence of Log
    witnesses : sequence of Witness
    k : int
        How many of the witnesses must have cosigned a checkpoint; 0 for no quorum.

    Raises
    ------
    ConfigurationError
        When there are fewer than `k` witnesses, or a name or a key occurs twice.
    """
    if not 0 <= k <= len(witnesses):
        raise ConfigurationError(
            f"a quorum of {k} is not possible with {len(witnesses)} witnesses",
            next_step="Name more witnesses, or a smaller quorum.",
        )
    lines = [" ".join(("log", log.key.text, *_url(log.url))) for log in logs]
    lines += [" ".join(("witness", w.name, w.key.text, *_url(w.url))) for w in witnesses]
    if k:
        lines += [f"group {_WITNESSES} {k} {' '.join(w.name for w in witnesses)}", f"quorum {_WITNESSES}"]
    else:
        lines.append(f"quorum {_NONE}")
    return Policy.parse("".join(f"{line}\n" for line in lines))


def _url(url: str | None) -> tuple[str, ...]:
    return () if url is None else (url,)


def _wrong(what: str, number: int) -> ConfigurationError:
    return ConfigurationError(
        f"line {number} of the policy is not valid: {what}",
        where="policy",
        next_step="The lines of a policy are defined in https://c2sp.org/tlog-policy.",
    )


def _read_log(parts: _Parts, words: list[str]) -> None:
    if len(words) not in (1, 2):
        raise ConfigurationError("a log has a verifier key, and at most a URL")
    log = Log(_key(words[0], _LOG_TYPES), *words[1:])
    if log.key.public in (other.key.public for other in parts.logs):
        raise ConfigurationError("two logs have the same key")
    parts.logs.append(log)


def _read_witness(parts: _Parts, words: list[str]) -> None:
    if len(words) not in (2, 3):
        raise ConfigurationError("a witness has a name and a verifier key, and at most a URL")
    witness = Witness(_new_name(parts, words[0]), _key(words[1], _WITNESS_TYPES), *words[2:])
    if witness.key.public in (other.key.public for other in parts.witnesses.values()):
        raise ConfigurationError("two witnesses have the same key")
    parts.witnesses[witness.name] = witness


def _read_group(parts: _Parts, words: list[str]) -> None:
    if len(words) < 3:
        raise ConfigurationError("a group has a name, a number and at least one member")
    name, number, *members = _new_name(parts, words[0]), *words[1:]
    taken = {member for group in parts.groups.values() for member in group.members}
    for member in members:
        if member not in parts.witnesses and member not in parts.groups:
            raise ConfigurationError("a member of a group is not defined before the group")
        if member in taken:
            raise ConfigurationError("a name is a member of two groups, or twice of one group")
        taken.add(member)
    threshold = {"all": len(members), "any": 1}.get(number)
    if threshold is None:
        threshold = int(number) if _THRESHOLD.fullmatch(number) else 0
    if not 1 <= threshold <= len(members):
        raise ConfigurationError(f"the number of a group is any, all, or 1 to {len(members)}")
    parts.groups[name] = Group(name, threshold, tuple(members))


def _read_quorum(parts: _Parts, words: list[str]) -> None:
    if len(words) != 1 or parts.quorum is not None:
        raise ConfigurationError("there is exactly one quorum line, and it has one name")
    (name,) = words
    if name != _NONE and name not in parts.witnesses and name not in parts.groups:
        raise ConfigurationError("the quorum is not a witness or a group that is defined before it")
    parts.quorum = name


def _new_name(parts: _Parts, name: str) -> str:
    if name == _NONE or name in parts.witnesses or name in parts.groups:
        raise ConfigurationError("a name of a witness or a group is taken")
    return name


def _key(text: str, types: Collection[KeyType]) -> VerifierKey:
    key = VerifierKey.parse(text)
    if key.type not in types:
        raise ConfigurationError("the type of the key is not one that a log, or a witness, signs with")
    return key


_READ: Final = {"log": _read_log, "witness": _read_witness, "group": _read_group, "quorum": _read_quorum}
