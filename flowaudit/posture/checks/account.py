"""Controls beside the VPC: Block Public Access of the account in the Region, Encryption Controls."""

from __future__ import annotations

from collections.abc import Iterator

from flowaudit.posture.asking import seen
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Property, compared

GUIDE = "Configure Your Private VPC for Amazon SageMaker Hosting"


def _block_public_access(expected: Expected, live: Live) -> Iterator[Property]:
    wanted = expected.block_public_access
    if wanted is not None:
        found = seen(live.block_public_access)
        subject = f"account {live.account_id} in {live.region}"
        yield compared(subject, "InternetGatewayBlockMode", wanted, found, ok=found == wanted)


def _encryption_controls(expected: Expected, live: Live) -> Iterator[Property]:
    wanted = expected.encryption_controls
    if wanted is not None:
        found = seen(live.encryption_controls)
        yield compared(expected.vpc_id, "mode of Encryption Controls", wanted, found, ok=found == wanted)


CHECKS = (
    Check("block-public-access", f"G11 {GUIDE}", "VPC Block Public Access is on", _block_public_access),
    Check("encryption-controls", f"G20 {GUIDE}", "VPC Encryption Controls are in their mode", _encryption_controls),
)
