"""For development only: drops the last blocks of a stopped chain, so that it continues on another branch.

The embedded chain never reorganises by itself. This makes a reorganisation as on other networks, to test how
a mirror handles it: `python -m localchain.rewind --home DIR --blocks N --development`.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from localchain.errors import LocalChainError
from localchain.home import DATABASE, exclusive
from localchain.index import LogRow

__all__ = ["main", "rewind"]


def rewind(home: Path, blocks: int) -> int:
    """Drop the last blocks of a chain, including their acknowledged transactions.

    Parameters
    ----------
    home : Path
        The chain's folder.
    blocks : int
        Number of blocks to drop, at least 1.

    Returns
    -------
    int
        Number of the new last block.

    Raises
    ------
    ChainInUseError
        If a process serves the chain.
    LocalChainError
        If there is no chain, or it has fewer blocks after block 0.
    """
    database = home / DATABASE
    if not database.exists():
        raise LocalChainError(
            f"there is no chain in {home}", next_step="Name the chain's folder with --home."
        )
    with exclusive(home), closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (height,) = connection.execute("SELECT max(number) FROM blocks").fetchone()
        last = height - blocks
        if blocks < 1 or last < 0:
            raise LocalChainError(
                f"cannot drop {blocks} of {height} blocks",
                next_step="Name 1 or more with --blocks, but not the first block.",
            )
        # Nodes of the state may be shared with blocks that stay; those that are not do no harm.
        connection.execute(
            "DELETE FROM state WHERE key IN (SELECT hash FROM blocks WHERE number > ?)", (last,)
        )
        connection.execute("DELETE FROM logs WHERE place >= ?", (LogRow.key(last + 1, 0),))
        connection.execute("DELETE FROM transactions WHERE block > ?", (last,))
        connection.execute("DELETE FROM deployers WHERE block > ?", (last,))
        connection.execute("DELETE FROM blocks WHERE number > ?", (last,))
        connection.execute("COMMIT")
    return int(last)


def main(arguments: Sequence[str] | None = None) -> int:
    """Drop blocks from the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line without the program's name.

    Returns
    -------
    int
        Exit code: 0 done, 2 refused.
    """
    parser = argparse.ArgumentParser(prog="python -m localchain.rewind", description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="folder of the chain, which must not run")
    parser.add_argument("--blocks", type=int, required=True, help="how many blocks to drop")
    parser.add_argument(
        "--development", action="store_true", required=True, help="yes: acknowledged transactions are dropped"
    )
    options = parser.parse_args(arguments)
    try:
        last = rewind(options.home, options.blocks)
    except LocalChainError as problem:
        print(problem, file=sys.stderr)
        return 2
    print(f"the chain ends at block {last} now")
    return 0


if __name__ == "__main__":
    sys.exit(main())
