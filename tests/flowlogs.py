"""Real flow log text, in small."""

from __future__ import annotations

import gzip
from pathlib import Path

V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
V5 = (
    f"{V2} vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type"
    " sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"
)
START = 1_767_225_600
"""2026-01-01T00:00:00Z."""


def egress(
    minute: int = 0, *, interface: str = "eni-0a", remote: str = "203.0.113.9", path: str = "8", size: int = 1000
) -> str:
    """Return one accepted v5 egress record of a workload, by default over the internet gateway."""
    start = START + 60 * minute
    head = f"5 123456789012 {interface} 10.0.0.5 {remote} 40000 443 6 10 {size} {start} {start + 50} ACCEPT OK"
    return f"{head} vpc-1 subnet-1 - 2 IPv4 10.0.0.5 {remote} us-east-1 use1-az1 - - - - egress {path}"


def nodata(minute: int = 0) -> str:
    """Return one v5 record that says there was no traffic."""
    start = START + 60 * minute
    head = f"5 123456789012 eni-0a - - - - - - - {start} {start + 50} - NODATA"
    return f"{head} vpc-1 subnet-1 - - - - - us-east-1 use1-az1 - - - - - -"


def write(path: Path, *lines: str, header: str = V5) -> Path:
    """Write a gzipped log object of these lines under a header ('': none)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        gzip.compress("".join(f"{line}\n" for line in ([header] if header else []) + list(lines)).encode())
    )
    return path
