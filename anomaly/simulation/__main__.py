"""Write a synthetic consortium: ``python -m anomaly.simulation OUT``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from anomaly.simulation import simulate, write
from ledger.errors import CounterfoilError


def main() -> int:
    """Run the generator from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m anomaly.simulation", description=__doc__)
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--banks", type=int, default=8)
    parser.add_argument("--transactions", type=int, default=100_000)
    parser.add_argument("--accounts", type=int, default=6_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    options = vars(parser.parse_args())
    out: Path = options.pop("out")
    try:
        summary = write(simulate(**options), out)
    except CounterfoilError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps(summary, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
