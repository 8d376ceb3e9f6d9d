"""The registry of detectors by name. To add a detector, add a file to this package and a line below."""

from __future__ import annotations

from anomaly.detectors.detector import Candidate, Context, Detector, Found
from anomaly.detectors.fans import FAN_IN, FAN_OUT
from anomaly.detectors.gather_scatter import GATHER_SCATTER
from anomaly.detectors.layers import BIPARTITE, STACK
from anomaly.detectors.pass_through import PASS_THROUGH
from anomaly.detectors.paths import CHAIN, CYCLE, ROUND_TRIP
from anomaly.detectors.scatter_gather import SCATTER_GATHER
from anomaly.detectors.structuring import STRUCTURING, STRUCTURING_ACROSS_BANKS
from anomaly.detectors.sudden import BURST, DORMANT

__all__ = ["REGISTRY", "Candidate", "Context", "Detector", "Found"]

REGISTRY: dict[str, Detector] = {
    detector.id: detector
    for detector in (
        FAN_IN,
        FAN_OUT,
        CYCLE,
        ROUND_TRIP,
        SCATTER_GATHER,
        GATHER_SCATTER,
        BIPARTITE,
        STACK,
        CHAIN,
        PASS_THROUGH,
        STRUCTURING,
        STRUCTURING_ACROSS_BANKS,
        BURST,
        DORMANT,
    )
}
