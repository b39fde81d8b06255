"""Which way did a flow go, and how is that known? Decided from the record and the network of its time.

`verdict` judges tables, `judge` one case, `Atlas` is what is known of the network.
"""

from flowaudit.paths.addresses import SCOPES, kind, parse
from flowaudit.paths.atlas import SERVICES, WITH_ADDRESSES, Atlas, Bearing, Chart
from flowaudit.paths.columns import JUDGED, cases, in_scope, verdict
from flowaudit.paths.decision import (
    DIRECTIONS,
    NEXT_HOPS,
    PATHS,
    RULES,
    TRAFFIC_PATHS,
    Ends,
    Facts,
    Rule,
    Verdict,
    judge,
    rule,
)
from flowaudit.paths.sent import NO_SERVICE, Sent

__all__ = [
    "DIRECTIONS",
    "JUDGED",
    "NEXT_HOPS",
    "NO_SERVICE",
    "PATHS",
    "RULES",
    "SCOPES",
    "SERVICES",
    "TRAFFIC_PATHS",
    "WITH_ADDRESSES",
    "Atlas",
    "Bearing",
    "Chart",
    "Ends",
    "Facts",
    "Rule",
    "Sent",
    "Verdict",
    "cases",
    "in_scope",
    "judge",
    "kind",
    "parse",
    "rule",
    "verdict",
]
