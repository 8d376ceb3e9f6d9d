"""Extras bring what our code imports, a missing one is named, and packages in the place of ours are found."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from base64 import urlsafe_b64encode
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ledger.errors import ConfigurationError
from ledger.installation import EXTRAS, OWN_PACKAGES, check_extra, check_own_packages, requiring

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OWN = {"ledger", *OWN_PACKAGES}

#: What is imported by `contracts.build` and `contracts.analysis` alone, which no party runs.
DEVELOPMENT = {"solcx", "slither", "crytic_compile"}

#: What the tests may run without: Spark needs Java, and a credential store needs a desktop.
NOT_INSTALLED = {"pyspark", "keyring"}

#: The extras whose packages the code of a folder may import.
ROOMS = {
    "ledger/member": ["member"],
    "ledger/encoding": ["member"],
    "ledger/reader": ["desk"],
    "ledger/transfers": ["desk"],
    "anomaly": ["desk"],
    "compliance": ["desk", "pdf", "scale"],
    "localchain": ["operator"],
    "api/keyholder.py": ["operator"],
}

PIP = 'pip install "counterfoil[{}]"'


# -- the extras ---------------------------------------------------------------------------------------------


def distributions(requirements: list[str]) -> set[str]:
    """Return what is installed for some requirements, with what these require."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        try:
            waiting += [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:
            assert name in NOT_INSTALLED, f"{name} is not installed"
    return found


@cache
def owners() -> dict[str, set[str]]:
    """Return which distributions each top-level module comes with."""
    found = packages_distributions().items()
    return {module: {canonicalize_name(name) for name in names} for module, names in found}


def modules(requirements: list[str]) -> set[str]:
    """Return the top-level modules that some requirements bring."""
    wanted = distributions(requirements)
    return {module for module, names in owners().items() if wanted & names}


def imported(path: Path) -> set[str]:
    """Return the top-level modules of others that the Python files at a path import, anywhere in them."""
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    found: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - OWN


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_the_modules_that_are_said_of_it(extra: str) -> None:
    declared = PROJECT["optional-dependencies"][extra]
    brought = modules(declared) | (EXTRAS[extra] & NOT_INSTALLED)
    assert set(EXTRAS[extra]) <= brought
    for requirement in declared:
        assert EXTRAS[extra] & (modules([requirement]) or NOT_INSTALLED), f"nothing imports {requirement}"


def test_what_the_code_imports_comes_with_the_base_or_with_an_extra() -> None:
    base = modules(PROJECT["dependencies"])
    everything = set().union(*(imported(ROOT / name) for name in OWN))
    assert everything - DEVELOPMENT <= base.union(*EXTRAS.values())
    for place, extras in ROOMS.items():
        assert imported(ROOT / place) <= base.union(*(EXTRAS[name] for name in extras)), place


def test_all_extras_are_those_of_the_parties() -> None:
    (everything,) = PROJECT["optional-dependencies"]["all"]
    assert set(Requirement(everything).extras) == set(EXTRAS)
    assert set(PROJECT["optional-dependencies"]) >= {*EXTRAS, "all", "dev"}


@pytest.mark.parametrize(
    ("module", "party", "named"),
    [
        ("numpy", "member", ["member"]),
        ("numpy", "desk", ["desk"]),
        ("numpy", None, ["member", "desk"]),
        ("web3", "operator", ["operator"]),
        ("eth.vm", "operator", ["operator"]),
        ("pypdf", "desk", ["pdf"]),
        ("sklearn.ensemble", None, ["desk"]),
    ],
)
def test_a_missing_extra_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, module: str, party: str | None, named: list[str]
) -> None:
    package = module.partition(".")[0]
    for name in [n for n in sys.modules if n.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError) as caught, requiring(party):
        import_module(module)
    assert caught.value.exit_code == 2
    assert caught.value.what == f"the package {package} is not installed"
    assert caught.value.next_step == "Install the extra that brings it: " + " or ".join(
        map(PIP.format, named)
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_an_extra_is_checked_before_a_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("member", "desk", "operator", "pdf"):
        check_extra(name)
    monkeypatch.setitem(EXTRAS, "operator", frozenset({"json", "no_such_chain"}))
    with pytest.raises(ConfigurationError, match="the package no_such_chain is not installed") as caught:
        check_extra("operator")
    assert caught.value.next_step == "Install the extra that brings it: " + PIP.format("operator")


def test_a_module_of_no_extra_passes_as_it_is() -> None:
    for name in ("no_such_module", "ledger.no_such_module"):
        with pytest.raises(ModuleNotFoundError), requiring("desk"):
            import_module(name)


def test_other_errors_and_results_pass_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError), requiring("desk"):
        1 / 0  # noqa: B018
    with requiring():
        assert import_module("ledger.schema").ROW_SIZE == 144


# -- packages in the place of ours --------------------------------------------------------------------------

CHECK = "from ledger.installation import check_own_packages; check_own_packages(); print('ours')"


def run(*path: Path) -> subprocess.CompletedProcess[str]:
    """Check in a process of its own that has these folders first on its import path."""
    return subprocess.run(
        [sys.executable, "-c", CHECK],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))},
        cwd=path[0],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with our packages' first files, as pip installs and records them."""
    folder = tmp_path / "site-packages"
    lines = []
    for name in sorted(OWN):
        (folder / name).mkdir(parents=True)
        data = (ROOT / name / "__init__.py").read_bytes()
        (folder / name / "__init__.py").write_bytes(data)
        digest = urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name}/__init__.py,sha256={digest},{len(data)}")
    for name in ("installation.py", "errors.py"):
        shutil.copy(ROOT / "ledger" / name, folder / "ledger" / name)
    record = folder / "counterfoil-0.2.0.dist-info" / "RECORD"
    record.parent.mkdir()
    lines.append("counterfoil-0.2.0.dist-info/RECORD,,")
    record.write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def other(folder: Path, name: str) -> Path:
    """Put another distribution's package of a name into a folder, and return the folder."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "__init__.py").write_text('"""Design by contract."""\n', "utf-8")
    return folder


def test_our_own_packages_are_taken_for_ours(site: Path) -> None:
    check_own_packages()
    for place in (ROOT, site):
        done = run(place)
        assert (done.returncode, done.stdout, done.stderr) == (0, "ours\n", "")


@pytest.mark.parametrize("name", OWN_PACKAGES)
def test_a_package_that_stands_before_ours_is_found(tmp_path: Path, site: Path, name: str) -> None:
    hiding = other(tmp_path / "other", name)
    for place in (ROOT, site):
        check_refused(run(hiding, place), name, hiding / name / "__init__.py")


def test_a_package_that_was_installed_over_ours_is_found(site: Path) -> None:
    other(site, "contracts")
    check_refused(run(site), "contracts", site / "contracts" / "__init__.py")


def test_a_package_that_was_uninstalled_with_another_is_found(site: Path) -> None:
    (site / "contracts" / "__init__.py").unlink()
    check_refused(run(site), "contracts", site / "contracts")


def check_refused(done: subprocess.CompletedProcess[str], name: str, where: Path) -> None:
    """Check that the error names the package, its place and the way out."""
    assert done.returncode == 1
    assert done.stdout == ""
    told = done.stderr.splitlines()[-1]
    assert re.search(rf"ConfigurationError: Counterfoil's package `{name}` is missing, or another", told)
    assert str(where) in told
    assert "pipx install counterfoil" in told
