"""Calls and estimates: execute a message on a state of the chain without keeping what it changes."""

from __future__ import annotations

from dataclasses import dataclass

from eth.abc import ComputationAPI, VirtualMachineAPI
from eth.exceptions import Revert
from eth.vm.spoof import SpoofTransaction
from eth_typing import Address
from eth_utils.exceptions import ValidationError

from localchain.admission import calldata_floor
from localchain.budget import Budget
from localchain.errors import CallRevertedError, RpcError
from localchain.machine import EmbeddedComputation, EmbeddedVM, Stopwatch

__all__ = ["CallRequest", "call", "estimate_gas"]

_ZERO_ADDRESS = Address(bytes(20))

#: Relative slack of an estimate: the search ends when the bounds are this close.
_ESTIMATE_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A message to execute without mining it.

    Attributes
    ----------
    to : bytes
        Contract, 20 bytes; empty for creation code, which is not executed.
    data : bytes
        Calldata.
    sender : bytes
        Address that the call is executed for, 20 bytes.
    value : int
        Wei sent with the call.
    gas : int or None
        Gas limit; None, or a higher value than the maximum of a call, means that maximum.
    """

    to: bytes
    data: bytes
    sender: bytes = _ZERO_ADDRESS
    value: int = 0
    gas: int | None = None


def call(request: CallRequest, vm: VirtualMachineAPI, budget: Budget) -> bytes:
    """Return the output of a call.

    Parameters
    ----------
    request : CallRequest
        The message.
    vm : VirtualMachineAPI
        The virtual machine on the block whose state is asked for.
    budget : Budget
        The limits.

    Raises
    ------
    CallRevertedError
        If the contract reverts.
    RpcError
        If the call fails for another reason.
    """
    if not request.to:
        raise RpcError(
            "creation code is not executed in a call, because any code could be in it",
            next_step="Send it as a transaction of a deployer.",
        )
    computation, _gas = _run(request, vm, _most_gas(request, budget), Stopwatch(budget.call_seconds))
    _raise_on_error(computation)
    return computation.output


def estimate_gas(request: CallRequest, vm: VirtualMachineAPI, budget: Budget) -> int:
    """Find a gas limit with which a message succeeds, within half a percent of the minimum.

    A contract's creation is not executed: its estimate is the most that a transaction may have.

    Parameters
    ----------
    request, vm, budget
        As for `call`.

    Returns
    -------
    int
        Gas, at least the calldata floor.

    Raises
    ------
    CallRevertedError, RpcError
        As for `call`.
    """
    if not request.to:
        return budget.transaction_gas
    stopwatch = Stopwatch(budget.call_seconds)
    high = _most_gas(request, budget)
    computation, low = _run(request, vm, high, stopwatch)
    _raise_on_error(computation)
    # Mostly what it used is what it needs; inner calls may need more than they use (EIP-150).
    guess = low
    while high - low > low * _ESTIMATE_TOLERANCE:
        computation, _gas = _run(request, vm, guess, stopwatch)
        if computation.is_error:
            low = guess
        else:
            high = guess
            if guess == low:
                break
        guess = min(2 * low, (low + high) // 2)
    return max(high, calldata_floor(request.data))


def _run(
    request: CallRequest, vm: VirtualMachineAPI, gas: int, stopwatch: Stopwatch
) -> tuple[ComputationAPI, int]:
    """Execute a message with a gas limit; return the computation and the gas used, without refunds."""
    if request.to in EmbeddedComputation.get_precompiles():
        raise RpcError(
            f"0x{request.to.hex()} is a precompiled contract, which only contracts may call",
            next_step="Call a contract of a consortium.",
        )
    with vm.in_costless_state() as state:
        state.stopwatch = stopwatch  # type: ignore[attr-defined]
        unsigned = EmbeddedVM.create_unsigned_transaction(
            nonce=state.get_nonce(Address(request.sender)),
            gas_price=0,
            gas=gas,
            to=Address(request.to),
            value=request.value,
            data=request.data,
        )
        if unsigned.intrinsic_gas > gas:
            raise RpcError(
                f"intrinsic gas too low: have {gas}, want {unsigned.intrinsic_gas}",
                next_step="Call with more gas.",
            )
        message = SpoofTransaction(unsigned, from_=request.sender)
        try:
            computation = state.costless_execute_transaction(message)  # type: ignore[arg-type]
        except ValidationError as problem:
            raise RpcError(
                str(problem), next_step="Check the sender, the value and the gas of the call."
            ) from problem
        return computation, gas - computation.get_gas_remaining()


def _most_gas(request: CallRequest, budget: Budget) -> int:
    most = calldata_floor(request.data) + budget.call_gas
    return most if request.gas is None else min(request.gas, most)


def _raise_on_error(computation: ComputationAPI) -> None:
    if not computation.is_error:
        return
    error = computation.error
    if isinstance(error, Revert):
        raise CallRevertedError("execution reverted", computation.output)
    raise RpcError(
        f"execution failed: {type(error).__name__} {error}".strip(),
        next_step="Check the address, the data and the gas of the call.",
    )
