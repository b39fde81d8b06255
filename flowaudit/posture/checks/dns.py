"""Default DNS, DHCP options and tenancy of the VPC."""

from __future__ import annotations

from collections.abc import Iterator

from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Property, compared

AMAZON_DNS = "AmazonProvidedDNS"


def _attributes(expected: Expected, live: Live) -> Iterator[Property]:
    if not expected.default_dns:
        return
    for part, name in (("dns_support", "enableDnsSupport"), ("dns_hostnames", "enableDnsHostnames")):
        live.need(part)
        on = bool(getattr(live.network, part))
        yield compared(
            expected.vpc_id,
            name,
            "true",
            str(on).lower(),
            ok=on,
            why="standard URLs of S3 and private DNS names of endpoints do not resolve",
        )


def _dhcp_options(expected: Expected, live: Live) -> Iterator[Property]:
    if not expected.default_dns:
        return
    live.need("domain_name")
    name, servers = live.network.domain_name, live.network.domain_name_servers
    why = "SageMaker refuses a VPC whose DHCP options lack it"
    yield compared(expected.vpc_id, "domain-name", "present", name or "absent", ok=bool(name), why=why)
    yield compared(
        expected.vpc_id,
        "domain-name-servers",
        AMAZON_DNS,
        " ".join(servers) or "absent",
        ok=servers == (AMAZON_DNS,),
        why=why if not servers else "names of endpoints do not resolve with other servers",
    )


def _tenancy(expected: Expected, live: Live) -> Iterator[Property]:
    if not expected.default_tenancy:
        return
    live.need("subnets")  # known as soon as the VPC itself is
    found = live.network.tenancy
    yield compared(
        expected.vpc_id,
        "instance tenancy",
        "default",
        found,
        ok=found == "default",
        why="training and compilation jobs run in subnets of default tenancy only",
    )


CHECKS = (
    Check("dns", "G9 Create an Amazon S3 VPC Endpoint", "Both DNS attributes of the VPC are on", _attributes),
    Check("dhcp-options", "G9 Create an Amazon S3 VPC Endpoint", "DHCP options have name and servers", _dhcp_options),
    Check("tenancy", "G18 Training jobs in a VPC", "VPC is in default tenancy", _tenancy),
)
