"""A deployed contract whose functions are encoded here: web3 takes longer for it than the call itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_abi import decode, encode
from eth_utils import keccak, to_checksum_address


def canonical(item: dict[str, Any]) -> str:
    """The type of a parameter as it stands in a signature."""
    if not item["type"].startswith("tuple"):
        return str(item["type"])
    return f"({','.join(map(canonical, item['components']))}){item['type'].removeprefix('tuple')}"


class Shape:
    """A function of a contract: how it is called, and what it returns."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.inputs = [canonical(item) for item in entry["inputs"]]
        self.outputs = entry["outputs"]
        self.types = [canonical(item) for item in self.outputs]
        self.selector = keccak(text=f"{entry['name']}({','.join(self.inputs)})")[:4]

    def result(self, raw: bytes) -> Any:
        values = [
            _shown(item, value) for item, value in zip(self.outputs, decode(self.types, raw), strict=True)
        ]
        return values[0] if len(values) == 1 else values


def _shown(item: dict[str, Any], value: Any) -> Any:
    """A returned value: an address with its checksum, an array as a list, a structure as a tuple."""
    kind = item["type"]
    if kind.endswith("]"):
        inner = {**item, "type": kind[: kind.rindex("[")]}
        return [_shown(inner, each) for each in value]
    if kind == "tuple":
        return tuple(_shown(part, each) for part, each in zip(item["components"], value, strict=True))
    return to_checksum_address(value) if kind == "address" else value


@dataclass(frozen=True)
class Call:
    """A function with its arguments, ready to be sent or asked."""

    contract: Deployed
    shape: Shape
    args: tuple[Any, ...]

    @property
    def address(self) -> str:
        return self.contract.address

    @cached_property
    def data(self) -> bytes:
        return self.shape.selector + encode(self.shape.inputs, self.args)

    def call(self, sender: str | None = None) -> Any:
        """Ask for the answer of a view, as anybody or as an account."""
        return self.shape.result(self.contract.ask(self, sender))


class Functions:
    """The functions of a contract, by attribute or by name."""

    def __init__(self, contract: Deployed) -> None:
        self._contract = contract
        self._shapes = {e["name"]: Shape(e) for e in contract.abi if e["type"] == "function"}

    def __getitem__(self, name: str) -> Callable[..., Call]:
        shape = self._shapes[name]
        return lambda *args: Call(self._contract, shape, args)

    def __getattr__(self, name: str) -> Callable[..., Call]:
        return self[name]


class Deployed:
    """A contract at its address; `ask` tries a call and returns what it answers."""

    def __init__(
        self, address: str, abi: list[dict[str, Any]], events: Any, ask: Callable[[Call, str | None], bytes]
    ) -> None:
        self.address, self.abi, self.events, self.ask = address, abi, events, ask
        self.functions = Functions(self)
