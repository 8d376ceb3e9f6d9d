"""``python -m bench.startup``: processor time and peak memory of the start of each command.

Each command runs in a process of its own, and all of them in turn in each round, on the state of two banks
that post a dozen payments. Told are the medians of user and system time, which other work on the machine
hardly touches, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pandas as pd

from bench.report import machine
from cli.output import say, show_table
from counterfoil import Desk, KeyHolder, Member, Operator

_ROOT: Final = Path(__file__).resolve().parents[1]

#: Runs one command and tells what it used. A process between this one and the command: on Linux the peak of a
#: child counts the memory of the process that started it.
_LAUNCH: Final = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""

#: What is imported, by the name that the table shows.
_IMPORTS: Final = {
    "Python alone": "pass",
    "import counterfoil": "import counterfoil",
    "import web3, as it is": "import web3",
    "import ledger.gateway": "import ledger.gateway",
    "import counterfoil.posting": "import counterfoil.posting",
    "import counterfoil.demonstration": "import counterfoil.demonstration",
}


@contextmanager
def small_state(root: Path) -> Iterator[tuple[Path, Path, str]]:
    """Found two banks that post; yield the state folder, a receipt, and the identifier of a flag."""
    home = root / "consortium"
    operator = Operator(home)
    operator.start_chain()
    try:
        operator.found()
        keyholder = KeyHolder(home)
        alfa, bravo = (Member.create(agent, home, keyholder=keyholder) for agent in ("ALFADEFF", "BRAVFRPP"))
        operator.admit([alfa, bravo])
        payments = pd.DataFrame(
            {
                "transaction_id": f"A-{number}",
                "timestamp": f"2026-01-05T{number + 9:02}:00:00Z",
                "debtor_agent": "ALFADEFF",
                "debtor_account": f"100-{number}",
                "creditor_agent": "BRAVFRPP",
                "creditor_account": "200-7",
                "amount": "9500.00",
                "currency": "EUR",
            }
            for number in range(12)
        )
        alfa.post(payments)
        bravo.post(payments.assign(transaction_id=payments["transaction_id"].str.replace("A", "B")))
        desk = Desk(home)
        desk.sync()
        desk.scan()
        receipt = root / "receipt.json"
        receipt.write_bytes(alfa.receipt("A-3").to_bytes())
        yield home, receipt, str(desk.flags()["flag_id"][0])
    finally:
        operator.stop_chain()


def commands(home: Path, receipt: Path, flag: str) -> dict[str, list[str]]:
    """Return what is run, by the name that the table shows."""
    started = {
        "counterfoil --version": ["--version"],
        "counterfoil --help": ["--help"],
        "counterfoil verify RECEIPT": ["verify", str(receipt)],
        "counterfoil flag list": ["flag", "list"],
        "counterfoil flag show": ["flag", "show", flag[:12]],
        "counterfoil member status": ["member", "status", "--member", "ALFADEFF"],
    }
    shell = {name: ["-m", "cli.main", "--home", str(home), *words] for name, words in started.items()}
    return shell | {name: ["-c", code] for name, code in _IMPORTS.items()}


def measure(arguments: list[str]) -> tuple[float, float]:
    """Run Python with arguments; return seconds of processor time and the peak in MiB."""
    command = [sys.executable, "-c", _LAUNCH, sys.executable, *arguments]
    done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
    code, seconds, peak = json.loads(done.stdout)
    assert code == 0, f"{arguments} ended with {code}: {done.stderr}"
    return seconds, peak / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each command")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = defaultdict(list)
    peaks: dict[str, list[float]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder,
        small_state(Path(folder)) as state,
    ):
        run = commands(*state)
        for arguments in run.values():  # files that Python compiles, and pages of the disk
            measure(arguments)
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds} ...")
            for name, arguments in run.items():
                used, peak = measure(arguments)
                seconds[name].append(used)
                peaks[name].append(peak)
    rows = [
        (
            name,
            f"{statistics.median(used):.2f}",
            f"{min(used):.2f} to {max(used):.2f}",
            f"{statistics.median(peaks[name]):.0f}",
        )
        for name, used in seconds.items()
    ]
    columns = ["process", "processor time, s", "lowest to highest", "peak, MiB"]
    show_table(f"{machine()}; median of {options.rounds}", columns, rows)
    if options.json:
        figures = {name: {"seconds": seconds[name], "peak_mib": peaks[name]} for name in seconds}
        options.json.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=2))


if __name__ == "__main__":
    main()
