"""Checks of the installation: missing extras, and packages that another distribution has replaced.

The base install only verifies. A member, the desk and the operator need more packages: the distribution has
an *extra* for each of them, and `requiring` names the extra when one of its packages is missing.
`check_own_packages` checks that no other distribution has replaced one of our top-level packages.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ledger.errors import ConfigurationError

__all__ = ["EXTRAS", "OWN_PACKAGES", "check_extra", "check_own_packages", "requiring"]

_CHAIN: Final = {"eth_abi", "eth_account", "eth_typing", "hexbytes", "web3"}
_SERVICE: Final = {"fastapi", "pydantic", "starlette", "uvicorn"}

#: The modules of each extra of pyproject.toml that our code imports.
EXTRAS: Final[Mapping[str, frozenset[str]]] = {
    "member": frozenset({*_CHAIN, *_SERVICE, "httpx", "numpy", "pandas", "pyarrow"}),
    "desk": frozenset(
        {*_CHAIN, *_SERVICE, "duckdb", "holidays", "networkx", "numba", "numpy", "pandas", "pyarrow"}
        | {"scipy", "sklearn", "spacy", "sqlglot", "structlog", "threadpoolctl"}
    ),
    "operator": frozenset(
        {*_CHAIN, *_SERVICE, "eth", "eth_bloom", "eth_hash", "eth_utils", "httpx", "rlp", "spacy"}
    ),
    "pdf": frozenset({"pypdf"}),
    "scale": frozenset({"pyspark"}),
    "hsm": frozenset({"pkcs11"}),
    "keyring": frozenset({"keyring"}),
}

#: The top-level packages of the distribution beside `ledger`.
OWN_PACKAGES: Final = ("anomaly", "api", "cli", "compliance", "contracts", "counterfoil", "localchain")


@contextmanager
def requiring(extra: str | None = None) -> Iterator[None]:
    """Turn the import error of a missing package into an error that names the extra to install.

    Parameters
    ----------
    extra : {"member", "desk", "operator", "pdf", "scale", "hsm", "keyring"}, optional
        The extra that the code in the block needs. Several extras contain NumPy: the error names this one, or
        all of them if none is given.

    Raises
    ------
    ConfigurationError
        When a package of an extra is missing. For any other module, `ModuleNotFoundError` is raised.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        bringing = [name for name, modules in EXTRAS.items() if package in modules]
        if not bringing:
            raise
        raise _missing(package, [extra] if extra in bringing else bringing) from error


def check_extra(extra: str) -> None:
    """Check that the packages of an extra are installed, before another process is started that imports them.

    Raises
    ------
    ConfigurationError
        As for `requiring`.
    """
    for package in sorted(EXTRAS[extra]):
        if find_spec(package) is None:
            raise _missing(package, [extra])


def _missing(package: str, extras: Iterable[str | None]) -> ConfigurationError:
    lines = " or ".join(f'pip install "counterfoil[{name}]"' for name in extras)
    return ConfigurationError(
        f"the package {package} is not installed", next_step=f"Install the extra that brings it: {lines}"
    )


def check_own_packages() -> None:
    """Check that our top-level packages are the ones that were installed with `ledger`.

    Other distributions also use names such as `api`, `cli` and `contracts`. A package that is earlier on the
    import path hides ours; a package in the same folder overwrites our files.

    Raises
    ------
    ConfigurationError
        When one of our packages is missing or replaced.
    """
    folder = Path(__file__).resolve().parent.parent
    recorded = _recorded(folder)
    for name in OWN_PACKAGES:
        spec = find_spec(name)
        found = None if spec is None or spec.origin is None else Path(spec.origin).resolve()
        expected = recorded.get(f"{name}/__init__.py")
        if found == folder / name / "__init__.py" and expected in (None, _hash(found)):
            continue
        raise ConfigurationError(
            f"Counterfoil's package `{name}` is missing, or another distribution's stands in its place",
            where=str(found or folder / name),
            next_step="Install Counterfoil in an environment of its own: `pipx install counterfoil`, "
            "`uv tool install counterfoil`, or pip in a new virtual environment.",
        )


def _recorded(folder: Path) -> dict[str, str]:
    """Return the hash of each file that pip installed; empty in a source tree or an editable install."""
    for record in folder.glob("counterfoil-*.dist-info/RECORD"):
        lines = record.read_text("utf-8").splitlines()
        return {path: digest for path, digest, _ in (line.rsplit(",", 2) for line in lines)}
    return {}


def _hash(path: Path) -> str:
    """Return the hash of a file in the form of a wheel's RECORD."""
    return "sha256=" + urlsafe_b64encode(sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
