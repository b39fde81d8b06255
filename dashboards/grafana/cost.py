"""The dashboard Cost: what do NAT gateways take for traffic that VPC endpoints would carry?"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.grafana.frame import daemons, framed, typed
from dashboards.grafana.labels import SERVICES
from dashboards.grafana.panels import Column, Face, Panel, Query, lines, number, rows, shaded
from dashboards.grafana.terms import either

# Gateway endpoints are free and serve these two; interface endpoints serve AWS's other services. None serves `none`.
GATEWAY = 'service=~"S3|DYNAMODB"'
INTERFACE = 'service!~"S3|DYNAMODB|none"'
AWS = 'service!="none"'
MONTH = "/ $__range_s * 2592000"
HOURS = 720
"""Hours in a month of 30 days."""
SENT_ONLY = "Sent bytes only: NAT gateways also charge for what is received, so the truth is higher."


def nat(services: str = "") -> str:
    """Return the expression for bytes through NAT gateways by service, over the range."""
    chosen = f"$selector,{services}" if services else "$selector"
    return f"increase(flowaudit_collect_nat_bytes_total{{{chosen}}}[$__range])"


def gigabytes(services: str) -> str:
    """Return the expression for GB through NAT gateways over the range, 0 where there are none."""
    return f"{either(f'sum({nat(services)})')} / 1e9"


def by_service(services: str) -> str:
    """Return the expression for bytes through NAT gateways of each service that has any."""
    return f"(sum by (service) ({nat(services)}) > 0)"


BY_GATEWAY, BY_INTERFACE = gigabytes(GATEWAY), gigabytes(INTERFACE)
ZONES = f"$endpoint_zones * $endpoint_hour * {HOURS}"
ENDPOINTS = f"{BY_INTERFACE} * $endpoint_price {MONTH} + {either(f'count({by_service(INTERFACE)})')} * {ZONES}"
SAVED = f"({gigabytes(AWS)} * $nat_price {MONTH} - ({ENDPOINTS}))"


def summary() -> list[Panel]:
    """Return the sums over the range."""
    return [
        number(
            Face(
                1,
                "NAT for AWS services, a month",
                f"What NAT gateways take in 30 days like this range, for bytes to AWS services. {SENT_ONLY}",
                "currencyUSD",
                6,
                4,
                decimals=2,
            ),
            Query(f"{gigabytes(AWS)} * $nat_price {MONTH}", "NAT"),
        ),
        number(
            Face(
                2,
                "Free with a gateway endpoint",
                "S3 and DynamoDB: create the gateway endpoint, which costs nothing. "
                "flowaudit query run gateway-endpoint-savings names the subnets.",
                "currencyUSD",
                6,
                4,
                steps=((None, "green"), (0.01, "orange")),
                decimals=2,
            ),
            Query(f"{BY_GATEWAY} * $nat_price {MONTH}", "S3 and DynamoDB"),
        ),
        number(
            Face(
                3,
                "Interface endpoints instead, a month",
                "What interface endpoints would take in 30 days like this range, for services other than S3 and "
                "DynamoDB that have traffic: one for each service, in each zone, per hour and per GB. AMAZON, which "
                "is several services, counts as one. flowaudit query run aws-services-over-nat names them.",
                "currencyUSD",
                6,
                4,
                decimals=2,
            ),
            Query(ENDPOINTS, "interface endpoints"),
        ),
        number(
            Face(
                4,
                "Saved in a month",
                "NAT's price for bytes to AWS services less that of endpoints, for 30 days like this range. More "
                "expensive: interface endpoints cost more than they save; create the gateway endpoint only. Bytes to "
                "others than AWS stay with NAT.",
                "currencyUSD",
                6,
                4,
                steps=((None, "orange"), (0, "text"), (0.01, "green")),
                decimals=2,
            ),
            Query(f"{SAVED} >= 0", "saved"),
            Query(f"{SAVED} < 0", "more expensive"),
            named=True,
        ),
    ]


def services() -> list[Panel]:
    """Return the same by service."""
    return [
        shaded(
            lines(
                Face(
                    10,
                    "Bytes through NAT by service",
                    "What workloads send through NAT gateways. What goes to others than AWS no endpoint carries.",
                    "Bps",
                    24,
                    9,
                ),
                Query(
                    "sum by (service) (rate(flowaudit_collect_nat_bytes_total{$selector}[$__rate_interval])) > 0",
                    "{{service}}",
                ),
                stacked=True,
                labels=SERVICES,
                interval="5m",
            )
        ),
        rows(
            Face(
                12,
                "Price by service",
                "What each service costs through NAT in 30 days like this range, and what its endpoint would take, "
                f"per hour in each zone and per GB; 0: a gateway endpoint. {SENT_ONLY}",
                "currencyUSD",
                24,
                5,
                empty="no AWS service through NAT",
            ),
            {
                "service": Column("Service"),
                "Value #A": Column("Bytes", "decbytes"),
                "Value #B": Column("NAT, a month", "currencyUSD", decimals=2),
                "Value #C": Column("Endpoint, a month", "currencyUSD", decimals=2),
            },
            Query(by_service(AWS)),
            Query(f"{by_service(AWS)} / 1e9 * $nat_price {MONTH}"),
            Query(f"{by_service(GATEWAY)} * 0\nor {by_service(INTERFACE)} / 1e9 * $endpoint_price {MONTH} + {ZONES}"),
            sort="Bytes",
        ),
    ]


def cost() -> Dashboard:
    """Return the dashboard."""
    board = framed(
        "cost", "Cost", "What NAT gateways take for traffic with AWS services that VPC endpoints would carry.", "now-7d"
    )
    daemons(board)
    for name, label, value, description in (
        ("nat_price", "NAT, USD per GB", "0.045", "What a NAT gateway takes for a GB; 0.045 in us-east-1."),
        ("endpoint_price", "Endpoint, USD per GB", "0.01", "What an interface endpoint takes for a GB."),
        (
            "endpoint_hour",
            "Endpoint, USD per hour",
            "0.01",
            "What an interface endpoint takes in one zone for an hour.",
        ),
        ("endpoint_zones", "Availability Zones", "2", "Zones in which each interface endpoint would be."),
    ):
        board.with_variable(typed(name, label, value, description))
    for panel in (*summary(), *services()):
        board.with_panel(panel)
    return board
