"""What runs in a VPC → the narrowest policy of its S3 gateway endpoint, and what that changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from flowaudit.config import Setup
from flowaudit.inventory.asking import SIDE_BY_SIDE, Asker
from flowaudit.policies import Policy
from flowaudit.setup.least_privilege.document import Document, Writer
from flowaudit.setup.least_privilege.needs import Image, Need
from flowaudit.setup.least_privilege.present import Comparison, Place, compare, endpoints, refused
from flowaudit.setup.least_privilege.reading import UNREAD, Reading, Workloads
from flowaudit.setup.least_privilege.seen import LOOKBACK, Traffic, outcomes, traffic
from flowaudit.topology import Gap

__all__ = ["LOOKBACK", "UNREAD", "Plan", "Reading", "Traffic", "Workloads", "outcomes", "plan", "traffic"]

_MISSING = "does not exist"


@dataclass(frozen=True, slots=True)
class Plan:
    """The policy, why it is so, and how it differs from what the endpoints have now.

    `elsewhere` says of needs why the endpoint cannot serve them; `unallowed` are needs that the policy's own denies
    refuse; `unlocated` are buckets whose region is not known.
    """

    document: Document
    reading: Reading
    needs: tuple[Need, ...]
    elsewhere: tuple[str, ...]
    unlocated: tuple[str, ...]
    unallowed: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    gaps: tuple[Gap, ...]

    @property
    def unread(self) -> tuple[Gap, ...]:
        """Gaps because of which the policy may lack something."""
        return tuple(gap for gap in self.gaps if gap.operation != "describe_vpc_endpoints")


def plan(ask: Asker, s3: Any, setup: Setup, vpc: str, reading: Reading) -> Plan:  # noqa: ANN401
    """Return the policy for what was read; `s3` is the client that finds out where buckets are."""
    places = _places(s3, {need.scope.bucket for need in reading.needs})
    elsewhere = _elsewhere(reading, places, ask.region)
    here = tuple(sorted(need for need in reading.needs if places[need.scope.bucket] in (ask.region, "")))
    layers = any(image.region == ask.region for image in reading.images)
    document = Writer(setup, ask.region, ask.account_id, layers).document((need.access, need.scope) for need in here)
    place = Place(ask.account_id, ask.region, vpc)
    return Plan(
        document=document,
        reading=reading,
        needs=here,
        elsewhere=elsewhere,
        unlocated=tuple(sorted(bucket for bucket, region in places.items() if not region)),
        unallowed=refused(Policy.parse(document.text), {(need.access, need.scope) for need in here}, place),
        comparisons=tuple(
            compare(each, document, layers, Place(ask.account_id, ask.region, vpc, each.id))
            for each in (endpoints(ask, vpc) if vpc else ())
        ),
        gaps=ask.gaps,
    )


def _elsewhere(reading: Reading, places: Mapping[str, str], region: str) -> tuple[str, ...]:
    """Return a line for each bucket and each region of images that the endpoint does not serve."""
    lines = {
        f"s3://{bucket}: {_MISSING}: left out" if place == _MISSING else f"s3://{bucket}: is in {place}: left out"
        for bucket, place in places.items()
        if place not in (region, "")
    }
    lines |= {_far(image) for image in reading.images if image.region != region}
    return tuple(sorted(lines))


def _far(image: Image) -> str:
    return f"Amazon ECR in {image.region}, for {image.kind.replace('_', ' ')} {image.workload}: left out"


def _places(s3: Any, buckets: Collection[str]) -> Mapping[str, str]:  # noqa: ANN401
    """Return the region of each bucket; empty where S3 does not answer."""
    names = sorted(buckets)
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="locate") as pool:
        return dict(zip(names, pool.map(lambda name: _place(s3, name), names), strict=True))


def _place(s3: Any, bucket: str) -> str:  # noqa: ANN401
    """Return a bucket's region: HeadBucket has it in its answer even where it refuses."""
    try:
        answer = s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:  # noqa: PLR2004
            return _MISSING
        answer = error.response
    except BotoCoreError:
        return ""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(answer.get("BucketRegion") or headers.get("x-amz-bucket-region", ""))
