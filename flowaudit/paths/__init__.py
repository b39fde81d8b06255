"""Which way did a flow go, and how is that known? Decided from the record and the network of its time.

`verdict` judges tables, `judge` one case, `Atlas` is what is known of the network.
"""

from flowaudit.paths.addresses import SCOPES, kind
from flowaudit.paths.atlas import Atlas, Bearing
from flowaudit.paths.columns import JUDGED, in_scope, verdict
from flowaudit.paths.decision import NEXT_HOPS, TRAFFIC_PATHS, Ends, Facts, Verdict, judge

__all__ = [
    "JUDGED",
    "NEXT_HOPS",
    "SCOPES",
    "TRAFFIC_PATHS",
    "Atlas",
    "Bearing",
    "Ends",
    "Facts",
    "Verdict",
    "in_scope",
    "judge",
    "kind",
    "verdict",
]
