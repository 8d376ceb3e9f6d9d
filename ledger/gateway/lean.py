"""Import web3 without its library for pairing curves (py_ecc), which the ledger never uses.

web3 imports eth_account, which imports eth_keyfile, which uses two numbers and one class of py_ecc, for key
files of Ethereum's consensus layer. Importing py_ecc computes the tables of BLS12-381, which takes 0.4 s of
processor time in each process, and raises Python's recursion limit to 100,000. So modules of the same names
replace py_ecc while web3 is imported, and are removed afterwards: a later import of py_ecc gets the real
package, and eth_keyfile imports it when it reads such a key file.

`ledger.gateway` imports this module before any other that imports web3.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final

#: Order of the group of secp256k1, and of the groups of BLS12-381.
_SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_BLS12_381_ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001


class _Signatures:
    """The class `py_ecc.bls.G2ProofOfPossession`, imported when one of its methods is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("py_ecc.bls").G2ProofOfPossession, name)


def _import_web3() -> None:
    if "web3" in sys.modules or "py_ecc" in sys.modules:
        return
    names: dict[str, dict[str, object]] = {
        "py_ecc": {"__path__": []},
        "py_ecc.bls": {"G2ProofOfPossession": _Signatures()},
        "py_ecc.bls12_381": {"curve_order": _BLS12_381_ORDER},
        "py_ecc.secp256k1": {"N": _SECP256K1_ORDER},
    }
    for name, values in names.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(values)
    try:
        import_module("web3")
    except ImportError:
        pass  # web3 is missing, or needs more of py_ecc: the next import of web3 raises the error or succeeds
    finally:
        for name in names:
            sys.modules.pop(name, None)


_import_web3()
