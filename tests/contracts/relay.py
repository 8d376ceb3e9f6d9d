"""A contract in a few bytes that, whoever calls it, makes one call: what an attacker would deploy."""

from __future__ import annotations

from typing import Any

from eth_utils import keccak, to_checksum_address


def code(target: str, data: bytes) -> bytes:
    """Runtime code that calls `target` with `data` and reverts with its error if it fails."""
    size = len(data).to_bytes(2, "big")

    def program(offset: int, done: int) -> bytes:
        return b"".join(
            (
                b"\x61" + size + b"\x61" + offset.to_bytes(2, "big") + b"\x60\x00\x39",  # CODECOPY
                b"\x60\x00\x60\x00\x61" + size + b"\x60\x00\x60\x00",
                b"\x73" + bytes.fromhex(target[2:]) + b"\x5a\xf1",  # CALL with all gas
                b"\x3d\x60\x00\x60\x00\x3e",  # RETURNDATACOPY
                b"\x60" + bytes([done]) + b"\x57\x3d\x60\x00\xfd\x5b\x00",  # JUMPI over REVERT to STOP
            )
        )

    length = len(program(0, 0))
    return program(length, length - 2) + data


def deploy(world: Any, target: str, data: bytes) -> str:
    """Deploy a relay; return its address, which `next_address` told before."""
    runtime = code(target, data)
    creation = b"\x61" + len(runtime).to_bytes(2, "big") + b"\x80\x60\x0c\x60\x00\x39\x60\x00\xf3" + runtime
    sent = world.web3.eth.send_transaction({"from": world.stranger, "data": creation, "gas": 2_000_000})
    return str(world.web3.eth.get_transaction_receipt(sent)["contractAddress"])


def next_address(world: Any) -> str:
    """The address of the contract that `deploy` deploys next."""
    nonce = world.web3.eth.get_transaction_count(world.stranger)
    account = bytes.fromhex(world.stranger[2:])
    number = bytes([nonce]) if 0 < nonce < 128 else (b"\x80" if nonce == 0 else b"\x81" + bytes([nonce]))
    listed = b"\x94" + account + number
    return to_checksum_address(keccak(bytes([0xC0 + len(listed)]) + listed)[12:])
