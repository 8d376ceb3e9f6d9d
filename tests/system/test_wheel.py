"""The built wheel in empty environments: with each extra alone, that party's first commands run.

Packages come from PyPI by name, so these tests need the network and some minutes: `make wheel` runs them, and
`make test` does not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.installation import EXTRAS
from tests.support.consortium import SmallConsortium

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

#: Bytes of an environment with the base install, without pip and setuptools.
MOST_BASE_SIZE = 72_000_000

#: The environment variables without those that let Python look elsewhere for packages.
ALONE = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
ALONE["PYTHONNOUSERSITE"] = "1"

LAW = "The bank shall report each cash transaction of more than EUR 10,000 to the authority within 15 days.\n"


@dataclass
class Environment:
    """A virtual environment that holds the wheel, one extra and what these require; nothing else."""

    folder: Path
    extra: str | None

    def run(self, *arguments: object, home: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run ``counterfoil`` with a state folder; it must end with the status."""
        command = [self.folder / "bin" / "counterfoil", "--home", home, *arguments]
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env=ALONE,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: object, home: Path) -> Any:
        """Run ``counterfoil --json`` and return what it prints."""
        return json.loads(self.run("--json", *arguments, home=home).stdout)

    @property
    def packages(self) -> Path:
        """The folder of installed packages."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def has(self, module: str) -> bool:
        """Say whether a top-level module is installed."""
        return any(self.packages.glob(f"{module}*"))

    def size(self) -> int:
        """Return how many bytes the installed packages take, without pip and setuptools."""
        tools = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "wheel")
        tops = [path for path in self.packages.iterdir() if path.name.split("-")[0] not in tools]
        files = [file for top in tops for file in (top.rglob("*") if top.is_dir() else [top])]
        return sum(file.stat().st_size for file in files if file.is_file())


Install = Callable[[str | None], Environment]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source tree, built in a copy."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]:
        for path in ROOT.glob(pattern):
            shutil.copytree(
                path, source / path.name, ignore=shutil.ignore_patterns("node_modules", "__pycache__")
            )
    for name in ("pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]):
        shutil.copy(ROOT / name, source / name)
    pip(Path(sys.executable), "wheel", str(source), "--no-deps", "--no-build-isolation", "-w", str(folder))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Make the environment of an extra, or of none; each is made once."""
    made: dict[str | None, Environment] = {}

    def environment(extra: str | None) -> Environment:
        if extra not in made:
            folder = tmp_path_factory.mktemp(extra or "base")
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            wanted = f"counterfoil[{extra}]" if extra else "counterfoil"
            pip(folder / "bin" / "python", "install", f"{wanted} @ {wheel.as_uri()}")
            made[extra] = Environment(folder, extra)
        return made[extra]

    return environment


def pip(python: Path, command: str, *arguments: str) -> None:
    """Run pip quietly; what it says is shown where it fails."""
    quiet = [command, "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [str(python), "-m", "pip", *quiet, *arguments], env=ALONE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def handed_out(consortium: SmallConsortium, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what an auditor is given: a receipt, a disclosure, a checkpoint, and the trust file."""
    folder = tmp_path_factory.mktemp("handed-out")
    bank = consortium.banks[0]
    (folder / "receipt.json").write_bytes(consortium.receipt(bank).to_bytes())
    (folder / "disclosure.json").write_bytes(consortium.disclosure(bank).to_bytes())
    shutil.copy(consortium.home.desk.public / "ledger" / "checkpoint", folder / "checkpoint")
    shutil.copy(consortium.home.trust, folder / "trust.json")
    return folder


@pytest.fixture
def home(consortium: SmallConsortium, tmp_path: Path) -> Path:
    """A copy of a consortium's state folder, whose chain runs."""
    return consortium.copy(tmp_path / "home").home.root


# -- the parties --------------------------------------------------------------------------------------------


def test_the_base_install_verifies_and_is_small(
    install: Install,
    handed_out: Path,
    consortium: SmallConsortium,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base, trust = install(None), handed_out / "trust.json"
    bank = consortium.banks[0]
    proven = base.json("verify", handed_out / "receipt.json", "--trust", trust, home=tmp_path)
    assert (proven["posted_by"], proven["fields"]) == (bank, {})
    proven = base.json("verify", handed_out / "disclosure.json", "--trust", trust, home=tmp_path)
    assert set(proven["fields"]) == {"amount", "currency"}
    proven = base.json("verify", handed_out / "checkpoint", "--trust", trust, home=tmp_path)
    assert proven["origin"] == consortium.gateway.deployment.ledger_origin
    other = tmp_path / "other.json"
    other.write_bytes((handed_out / "disclosure.json").read_bytes().replace(b"request 7", b"request 8"))
    told = base.run("verify", other, "--trust", trust, home=tmp_path, status=1).stderr
    assert "not signed by the bank that posted the row" in told
    for module in ("numpy", "pyarrow", "pandas", "duckdb", "web3", "eth_account"):
        assert not base.has(module)
    with capsys.disabled():
        print(f"\nbase install: {base.size() / 1e6:.1f} MB")
    assert base.size() < MOST_BASE_SIZE


def test_a_member_makes_keys_posts_and_receives(
    install: Install, home: Path, consortium: SmallConsortium, tmp_path: Path
) -> None:
    member, bank = install("member"), consortium.banks[0]
    assert member.json("member", "init", "NEWBDEFF", home=tmp_path / "fresh")["agent"] == "NEWBDEFF"
    chain = ("--chain", consortium.url)
    member.run("member", "receipt", "-m", bank, "0:0", "--out", tmp_path / "receipt.json", home=home)
    assert (tmp_path / "receipt.json").read_bytes() == consortium.receipt(bank).to_bytes()
    fields = ("-f", "amount", "-f", "currency")
    signed = ("--purpose", "supervisory request 7", "--recipient", "The supervisor")
    out = ("--out", tmp_path / "disclosure.json")
    member.run(*chain, "member", "disclose", "-m", bank, "0:0", *fields, *signed, *out, home=home)
    assert (tmp_path / "disclosure.json").read_bytes() == consortium.disclosure(bank).to_bytes()
    assert member.json(*chain, "member", "flags", "-m", bank, home=home) == []


def test_the_desk_scans_a_file_reads_law_and_syncs(
    install: Install, home: Path, consortium: SmallConsortium, tmp_path: Path
) -> None:
    desk = install("desk")
    payments = tmp_path / "payments.csv"
    lines = [f"2026-03-02T10:{n:02d}:00Z,B1,A{n},B2,TARGET,9000.00,EUR" for n in range(20)]
    header = "timestamp,debtor_agent,debtor_account,creditor_agent,creditor_account,amount,currency"
    payments.write_text("\n".join([header, *lines, ""]), "utf-8")
    assert desk.run("scan", payments, home=tmp_path).stdout
    law = tmp_path / "law.txt"
    law.write_text(LAW, "utf-8")
    assert "10,000" in desk.run("rules", "extract", law, home=tmp_path).stdout
    desk.run("--chain", consortium.url, "desk", "sync", home=home)


def test_the_operator_runs_a_chain_and_founds_a_consortium(install: Install, tmp_path: Path) -> None:
    operator = install("operator")
    operator.run("chain", "start", "--detach", "--port", 0, home=tmp_path)
    try:
        assert operator.json("chain", "status", home=tmp_path)["running"]
        assert operator.json("consortium", "init", home=tmp_path)["contracts"]
    finally:
        operator.run("chain", "stop", home=tmp_path)
    assert not operator.json("chain", "status", home=tmp_path)["running"]


# -- what is not installed ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "command"),
    [
        ("desk", ["scan", "payments.csv"]),
        ("desk", ["rules", "extract", "law.txt"]),
        ("operator", ["chain", "start", "--port", "0"]),
        ("operator", ["chain", "start", "--port", "0", "--detach"]),
        ("member", ["member", "receipt", "-m", "ALFADEFF", "0:0"]),
    ],
)
def test_a_command_of_an_absent_extra_names_the_line_that_installs_it(
    install: Install, home: Path, extra: str, command: list[str]
) -> None:
    assert extra in EXTRAS
    done = install(None).run(*command, home=home, status=2)
    assert f'pip install "counterfoil[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr
