"""Traffic to S3 over the gateway endpoint that flow logs have, beside what the policy allows for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from flowaudit import sql
from flowaudit.lake import Lake
from flowaudit.model import Window
from flowaudit.setup.least_privilege.fields import FIELDS
from flowaudit.traffic import MARGIN, TABLES

LOOKBACK = timedelta(days=30)
"""How far back traffic is looked at."""
SENT = """
SELECT workload_kind, workload, count(*) AS flows, CAST(sum(bytes) AS BIGINT) AS bytes
FROM workload_egress
WHERE path = 'gateway_endpoint' AND action = 'ACCEPT' AND remote_service IS DISTINCT FROM 'DYNAMODB'
  AND own_vpc_id = $vpc AND start_time >= $since AND start_time < $until
GROUP BY ALL
ORDER BY bytes DESC, workload_kind, workload
"""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a workload sent over the gateway endpoint, and what the policy means for it."""

    workload: str
    flows: int
    bytes: int
    outcome: str


def traffic(
    lake: Lake, views: Mapping[str, str], vpc: str, window: Window, known: Mapping[tuple[str, str], str]
) -> Iterator[Traffic]:
    """Yield what each workload of a VPC sent, most first; `known` has the outcome of workloads that were read.

    Raises LakeError, QueryError.
    """
    around = Window(window.since - MARGIN, window.until + MARGIN)
    bounds = {"vpc": vpc, "since": window.since, "until": window.until}
    with sql.connect(lake, tables=TABLES, views=views, window=around) as engine:
        rows = engine.query(SENT, bounds).to_pylist()
    for row in rows:
        name = (row["workload_kind"], row["workload"])
        label = f"{name[0].replace('_', ' ')} {name[1]}" if name[0] and name[1] else "interfaces of no known workload"
        yield Traffic(label, row["flows"], row["bytes"], known.get(name, _outcome(name)))


def _outcome(name: tuple[str | None, str | None]) -> str:
    if name[1] is None:
        return "not known: the inventory does not have the workload"
    if name[0] not in FIELDS:
        return "not known: S3 URIs of this kind are not read"
    return "denied unless it uses the same prefixes: it is not in this policy, or it is gone"


def outcomes(
    workloads: Collection[tuple[str, str]], needing: Collection[tuple[str, str]], unknown: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], str]:
    """Return what the policy means for each workload that was read."""
    return {name: _of_read(name in needing, name in unknown) for name in workloads}


def _of_read(needing: bool, unknown: bool) -> str:
    if unknown:
        return "not known: some of what it needs is not in SageMaker's API"
    if needing:
        return "allowed for its prefixes; flow logs name no bucket"
    return "denied: it has no S3 URI that the endpoint serves"
