"""The desk's flags and findings: lists, one flag with its evidence, its recomputation, its clause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from counterfoil import caseload
from counterfoil.desk_state import DeskState
from counterfoil.extras import needs
from ledger.errors import InputError

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from counterfoil.progress import Progress
    from ledger.flag import Flag
    from ledger.reader.listing import FlagCount, FlagFilter, FlagSummary, Order

__all__ = ["DeskFlags"]


@needs("desk")
class DeskFlags(DeskState):
    """The flags of a desk; see `counterfoil.Desk`."""

    def flags(self) -> pd.DataFrame:
        """Return every flag and finding as a DataFrame, one row each, in the order of raising."""
        from counterfoil.frames import desk_flags

        with caseload.flag_book(self.home) as book:
            return desk_flags(book.summaries())

    def flag_page(
        self,
        wanted: FlagFilter | None = None,
        *,
        order: Order = "raised",
        after: str | None = None,
        limit: int = 50,
    ) -> caseload.FlagPage:
        """Return one page of a list of flags; the time does not depend on the number of flags.

        Parameters
        ----------
        wanted : FlagFilter, optional
            Which flags to list; every flag by default.
        order : {"raised", "gravest"}
        after : str, optional
            Identifier (hex) of the last flag of the page before; None for the first page.
        limit : int
            Maximum number of flags on a page.

        Raises
        ------
        InputError
            When the flag `after` does not exist.
        """
        return caseload.flag_page(self.home, wanted, order=order, after=after, limit=limit)

    def flags_starting(self, prefix: str, *, limit: int = 50) -> list[FlagSummary]:
        """Return the flags whose identifiers (hex) start with `prefix`."""
        with caseload.flag_book(self.home) as book:
            return book.starting(prefix, limit=limit)

    def flag_counts(self, wanted: FlagFilter | None = None) -> list[FlagCount]:
        """Count flags by title, severity, and whether an officer has decided; sorted by title."""
        from ledger.reader.listing import EVERY_FLAG

        with caseload.flag_book(self.home) as book:
            return book.counts(wanted or EVERY_FLAG)

    def each_flag(
        self, wanted: FlagFilter | None = None, *, order: Order = "raised"
    ) -> Iterator[dict[str, Any]]:
        """Yield each flag as JSON values; the memory does not depend on the number of flags."""
        from ledger.reader.listing import EVERY_FLAG

        with caseload.flag_book(self.home) as book:
            for kept in book.each(wanted or EVERY_FLAG, order=order):
                yield {
                    "flag_id": kept.flag_id.hex(),
                    **kept.flag.to_json(),
                    "latest_score": kept.latest_score,
                    "verdict": kept.verdict,
                }

    def flag(self, prefix: str) -> caseload.FlagFile:
        """Return the flag whose identifier (hex) starts with `prefix`, with its decisions; needs no chain.

        Raises
        ------
        InputError
            When no flag or several flags start with `prefix`.
        ConfigurationError
            When the state folder holds no desk.
        """
        return caseload.flag_file(self.home, prefix)

    def flag_view(self, flag_id: str, *, addressee: int | None = None) -> caseload.FlagView | None:
        """Return the part of a flag that one addressee may see; None if it does not exist or concern them.

        Parameters
        ----------
        flag_id : str
            The whole identifier, hex.
        addressee : int, optional
            The code of a member, who sees a flag only when it is anchored; None returns the whole flag.
        """
        return caseload.flag_view(self.home, flag_id, addressee)

    def draw(self, flag: Flag, *, svg: Path | None = None, graphml: Path | None = None) -> None:
        """Write the evidence of a flag as SVG, as GraphML, or both."""
        forms: tuple[tuple[Path | None, Literal["svg", "graphml"]], ...] = (
            (svg, "svg"),
            (graphml, "graphml"),
        )
        for path, form in forms:
            if path:
                path.write_bytes(self.drawing(flag, form))

    def drawing(
        self, flag: Flag, form: Literal["svg", "graphml"], *, banks: Mapping[int, str] | None = None
    ) -> bytes:
        """Return a flag's evidence as an SVG or GraphML document (UTF-8)."""
        from ledger.transfers.evidence import to_graphml, to_svg

        graph = self.evidence_graph(flag, banks=banks)
        return to_svg(graph).encode() if form == "svg" else to_graphml(graph)

    def evidence(self, flag: Flag) -> list[dict[str, Any]] | None:
        """Return the transfers in the evidence of a flag, in time order; None if there is no mirror."""
        return caseload.evidence(self.home, flag)

    def evidence_graph(self, flag: Flag, *, banks: Mapping[int, str] | None = None) -> nx.MultiDiGraph[str]:
        """Return a flag's accounts and payments as a graph (`ledger.transfers.evidence.evidence_graph`).

        Parameters
        ----------
        flag : Flag
        banks : mapping, optional
            Mapping of agent code to the name to show; the members' identifiers by default.
        """
        return caseload.graph_of(self.home, flag, banks)

    def replay(self, prefix: str, *, progress: Progress | None = None) -> caseload.FlagFile:
        """Recompute a flag from the ledger position that it names, and return it.

        If the mirror has read later batches, the position is mirrored from the chain again, into a temporary
        folder.

        Raises
        ------
        VerificationError
            When a field of the recomputed flag differs.
        """
        file = self.flag(prefix)
        caseload.replay(self.home, self.gateway, file.kept, progress)
        return file

    def trace(self, prefix: str) -> tuple[Flag, dict[str, Any]]:
        """Return how a finding follows from its rows, its check and its clause, and who approved the rule.

        Raises
        ------
        InputError
            When a detector raised the flag, because such a flag has no clause.
        """
        flag = self.flag(prefix).flag
        if flag.source.kind != "rule":
            raise InputError(
                "a detector raised this flag, so it has no clause",
                next_step=f"Run `counterfoil flag show {prefix}`, which shows its explanation.",
            )
        return flag, caseload.trace(self.home, self.gateway(), flag)

    def draft_report(self, prefix: str) -> dict[str, Any]:
        """Draft a report from a flag or finding, as structured data with the clause cited."""
        return caseload.draft_report(self.home, self.gateway(), self.flag(prefix).flag)
