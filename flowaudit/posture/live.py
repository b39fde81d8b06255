"""A VPC as it is: what discovery reads of it, and beside that only what an expectation needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from flowaudit.inventory.asking import Asker
from flowaudit.inventory.network import PARTS, networks
from flowaudit.posture.asking import Place, every, one, refused
from flowaudit.posture.buckets import Bucket, bucket, policy_of
from flowaudit.posture.model import Expected, Missing, Unseen
from flowaudit.topology import Endpoint, FlowLog, Gateway, Network, NetworkAcl, RouteTable, SecurityGroup, Subnet

MOST_IN_A_FILTER = 200
"""Values of a filter that EC2 takes in a request."""
BUCKET_ARN = ":s3:::"
_OPERATIONS: Mapping[str, tuple[str, ...]] = {
    **{part: (operation,) for part, (operation, _) in PARTS.items()},
    "gateways": tuple(operation for part, (operation, _) in PARTS.items() if part.startswith("gateways.")),
    "dns_support": ("describe_vpc_attribute",),
    "dns_hostnames": ("describe_vpc_attribute",),
    "domain_name": ("describe_dhcp_options",),
    "domain_name_servers": ("describe_dhcp_options",),
    "prefix_lists": (
        "describe_managed_prefix_lists",
        "get_managed_prefix_list_entries",
        "describe_prefix_lists",
    ),
    "flow_logs": (
        "describe_flow_logs",
        "describe_subnets",
        "describe_nat_gateways",
        "describe_transit_gateway_vpc_attachments",
    ),
}
"""What each part of a network is read by: the first that did not answer hides it."""


@dataclass(frozen=True, slots=True)
class Files:
    """How a flow log writes its files."""

    format: str
    hive: bool
    hourly: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A VPC as it is. What could not be read stands as Missing, and is raised as Unseen by the one that needs it.

    Mappings have an entry for each id that was asked for; one without has nothing.
    """

    network: Network
    exists: bool | Missing = True
    unseen: Mapping[str, Missing] = field(default_factory=dict)
    free_addresses: Mapping[str, int] | Missing = field(default_factory=dict)
    files: Mapping[str, Files] | Missing = field(default_factory=dict)
    tag_fields: Mapping[str, Mapping[str, tuple[str, ...]]] | Missing = field(default_factory=dict)
    tags: Mapping[str, Mapping[str, str]] | Missing = field(default_factory=dict)
    buckets: Mapping[str, Bucket] = field(default_factory=dict)
    retention_days: int | Missing | None = None
    guardrail: str | Missing = ""
    guardrail_uses: int | Missing = 0
    block_public_access: str | Missing = ""
    encryption_controls: str | Missing = ""

    @property
    def account_id(self) -> str:
        """The account that was asked."""
        return self.network.account_id

    @property
    def region(self) -> str:
        """The Region of the VPC."""
        return self.network.region

    @property
    def subnets(self) -> dict[str, Subnet]:
        """The subnets by id, with their route tables and network ACLs; raises Unseen."""
        self.need("subnets")
        return {each.subnet_id: each for each in self.network.subnets}

    @property
    def route_tables(self) -> dict[str, RouteTable]:
        """The route tables by id; raises Unseen."""
        self.need("route_tables")
        return {each.route_table_id: each for each in self.network.route_tables}

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints; raises Unseen."""
        self.need("endpoints")
        return self.network.endpoints

    @property
    def security_groups(self) -> dict[str, SecurityGroup]:
        """The security groups by id; raises Unseen."""
        self.need("security_groups")
        return {each.group_id: each for each in self.network.security_groups}

    @property
    def network_acls(self) -> dict[str, NetworkAcl]:
        """The network ACLs by id; raises Unseen."""
        self.need("network_acls")
        return {each.network_acl_id: each for each in self.network.network_acls}

    def gateways(self, kind: str) -> dict[str, Gateway]:
        """Return the gateways of a kind by id; raises Unseen."""
        self.need(f"gateways.{kind}")
        return {each.gateway_id: each for each in self.network.gateways if each.kind == kind}

    def need(self, part: str) -> None:
        """Raise Unseen where a part of the network could not be read."""
        if part in self.unseen:
            raise Unseen(self.unseen[part])

    def flow_log(self, expected: Expected) -> FlowLog | None:
        """Return the expected flow log, else the VPC's best one; raises Unseen."""
        wanted = expected.flow_log.flow_log_id if expected.flow_log else ""
        return self.flow_log_of(self.network.vpc_id, wanted)

    def flow_log_of(self, resource_id: str, wanted: str = "") -> FlowLog | None:
        """Return the flow log of a VPC or NAT gateway: that of an id, else the best one; raises Unseen."""
        self.need("flow_logs")
        logs = [each for each in self.network.flow_logs if each.resource_id == resource_id]
        chosen = [each for each in logs if each.flow_log_id == wanted] or logs
        return min(chosen, key=_faults, default=None)

    def flow_log_bucket(self, expected: Expected) -> str | None:
        """Return the name of the bucket that the flow log goes to, or has to; None: to none. Raises Unseen."""
        destination = expected.flow_log.destination if expected.flow_log else None
        log = None if destination else self.flow_log(expected)
        arn = destination or (log.destination if log else "")
        return arn.partition(BUCKET_ARN)[2].partition("/")[0] if BUCKET_ARN in arn else None


def _faults(log: FlowLog) -> tuple[bool, bool, bool, str]:
    failed = log.delivery_status == "FAILED" or bool(log.delivery_error)
    return log.status != "ACTIVE", failed, log.traffic_type != "ALL", log.flow_log_id


def read(account_id: str, region: str, client: Callable[[str], Any], expected: Expected) -> Live:
    """Return the VPC as it is; `client` returns the boto3 client of a service, of this account and Region."""
    place = Place(account_id, region, client)
    ask = place.asker()
    found = networks(ask, {}, {})
    network = next((each for each in found or () if each.vpc_id == expected.vpc_id), None)
    exists = network is not None or (
        False if found is not None else refused(ask, "ec2", "describe_vpcs", _action("describe_vpcs"))
    )
    network = network or Network(vpc_id=expected.vpc_id, account_id=account_id, region=region)
    unseen = _unseen(ask, network) if exists is True else _all_unseen(exists)
    live = Live(network=network, exists=exists or False, unseen=unseen)
    files, tag_fields = _flow_logs(ask, expected, network)
    guardrail, guardrail_uses = _guardrail(ask, expected)
    return Live(
        network=network,
        exists=exists or False,
        unseen=unseen,
        free_addresses=_free_addresses(ask, expected),
        files=files,
        tag_fields=tag_fields,
        tags=_tags(ask, expected),
        buckets=_buckets(place, expected, live),
        retention_days=_retention_days(ask, expected, live),
        guardrail=guardrail,
        guardrail_uses=guardrail_uses,
        block_public_access=_block_public_access(ask, expected),
        encryption_controls=_encryption_controls(ask, expected),
    )


def _all_unseen(exists: bool | Missing | None) -> dict[str, Missing]:
    missing = exists if isinstance(exists, Missing) else Missing("", "there is no such VPC")
    return dict.fromkeys(_OPERATIONS, missing)


def _unseen(ask: Asker, network: Network) -> dict[str, Missing]:
    """Return what of the network is unknown, with the action that it needs."""
    shared = network.owner_id not in (None, network.account_id)
    hidden = [part for part in PARTS if shared and part.startswith("gateways.")]
    return {part: _missing(ask, network, part) for part in (*hidden, *network.unknown)}


def _missing(ask: Asker, network: Network, part: str) -> Missing:
    for operation in _OPERATIONS.get(part, ()):
        if gap := refused(ask, "ec2", operation, _action(operation)):
            return gap
    if network.owner_id not in (None, network.account_id):
        return Missing("", f"only account {network.owner_id}, which owns the VPC, sees it")
    return Missing("", "AWS's answer does not have it")


def _action(operation: str) -> str:
    return "ec2:" + "".join(word.capitalize() for word in operation.split("_"))


def _free_addresses(ask: Asker, expected: Expected) -> Mapping[str, int] | Missing:
    if expected.free_addresses is None:
        return {}
    answer = every(ask, "ec2", "describe_subnets", "Subnets", "ec2:DescribeSubnets", Filters=_in_vpc(expected))
    if isinstance(answer, Missing):
        return answer
    return {each["SubnetId"]: each["AvailableIpAddressCount"] for each in answer}


TagFields: TypeAlias = "Mapping[str, Mapping[str, tuple[str, ...]]]"


def _flow_logs(
    ask: Asker, expected: Expected, network: Network
) -> tuple[Mapping[str, Files] | Missing, TagFields | Missing]:
    """Return how flow logs of the VPC and its NAT gateways write their files, and which tags they record."""
    if expected.flow_log is None:
        return {}, {}
    gateways = [each.gateway_id for each in network.gateways if each.kind == "nat_gateway"]
    filters = [{"Name": "resource-id", "Values": [expected.vpc_id, *gateways][:MOST_IN_A_FILTER]}]
    answer = every(ask, "ec2", "describe_flow_logs", "FlowLogs", "ec2:DescribeFlowLogs", Filter=filters)
    if isinstance(answer, Missing):
        return answer, answer
    files = {each["FlowLogId"]: _files_of(each.get("DestinationOptions") or {}) for each in answer}
    tags = {
        each["FlowLogId"]: {
            one["ResourceType"]: tuple(one["TagKeys"]) for one in each.get("TagFieldSpecifications") or ()
        }
        for each in answer
    }
    return files, tags


def _files_of(options: Mapping[str, Any]) -> Files:
    return Files(
        options.get("FileFormat") or "plain-text",
        bool(options.get("HiveCompatiblePartitions")),
        bool(options.get("PerHourPartition")),
    )


def _tags(ask: Asker, expected: Expected) -> Mapping[str, Mapping[str, str]] | Missing:
    if not expected.tags:
        return {}
    found: dict[str, dict[str, str]] = {}
    for start in range(0, len(expected.tagged), MOST_IN_A_FILTER):
        ids = list(expected.tagged[start : start + MOST_IN_A_FILTER])
        filters = [{"Name": "resource-id", "Values": ids}]
        answer = every(ask, "ec2", "describe_tags", "Tags", "ec2:DescribeTags", Filters=filters)
        if isinstance(answer, Missing):
            return answer
        for each in answer:
            found.setdefault(each["ResourceId"], {})[each["Key"]] = each["Value"]
    return found


def _in_vpc(expected: Expected) -> list[dict[str, Any]]:
    return [{"Name": "vpc-id", "Values": [expected.vpc_id]}]


def _buckets(place: Place, expected: Expected, live: Live) -> dict[str, Bucket]:
    found = {name: bucket(place, name) for name in _flow_log_buckets(expected, live)}
    if expected.bucket_policy is not None:
        found |= {name: policy_of(place, name) for name in expected.bucket_policy.buckets if name not in found}
    return found


def _flow_log_buckets(expected: Expected, live: Live) -> Iterator[str]:
    if expected.flow_log is None:
        return
    try:
        name = live.flow_log_bucket(expected)
    except Unseen:
        return
    if name:
        yield name


def _retention_days(ask: Asker, expected: Expected, live: Live) -> int | Missing | None:
    wanted = expected.flow_log
    if wanted is None or wanted.retention_days is None or wanted.destination_type != "cloud-watch-logs":
        return None
    try:
        log = live.flow_log(expected)
    except Unseen as unseen:
        return unseen.missing
    name = wanted.destination or (log.destination if log else "")
    if not name:
        return None
    key, action = "logGroups", "logs:DescribeLogGroups"
    answer = every(ask, "logs", "describe_log_groups", key, action, logGroupNamePrefix=name)
    if isinstance(answer, Missing):
        return answer
    return next((each.get("retentionInDays") for each in answer if each["logGroupName"] == name), None)


def _guardrail(ask: Asker, expected: Expected) -> tuple[str | Missing, int | Missing]:
    """Return the guardrail's policy, "" where there is none, and how many users, groups and roles have it."""
    if expected.guardrail is None or not expected.guardrail.policy_arn:
        return "", 0
    arn, gone = expected.guardrail.policy_arn, ("NoSuchEntity",)
    answer = one(ask, "iam", "get_policy", "iam:GetPolicy", gone=gone, PolicyArn=arn)
    if isinstance(answer, Missing):
        return answer, answer
    if not answer:
        return "", 0
    policy = answer["Policy"]
    uses = policy.get("AttachmentCount", 0) + policy.get("PermissionsBoundaryUsageCount", 0)
    return _default_version(ask, arn, policy["DefaultVersionId"]), uses


def _default_version(ask: Asker, arn: str, version: str) -> str | Missing:
    gone, permission = ("NoSuchEntity",), "iam:GetPolicyVersion"
    answer = one(ask, "iam", "get_policy_version", permission, gone=gone, PolicyArn=arn, VersionId=version)
    if isinstance(answer, Missing):
        return answer
    return _text(answer["PolicyVersion"]["Document"]) if answer else ""


def _text(document: Any) -> str:  # noqa: ANN401
    """Return a policy document as text: boto3 parses IAM's."""
    return document if isinstance(document, str) else json.dumps(document)


def _block_public_access(ask: Asker, expected: Expected) -> str | Missing:
    if expected.block_public_access is None:
        return ""
    answer = one(ask, "ec2", "describe_vpc_block_public_access_options", "ec2:DescribeVpcBlockPublicAccessOptions")
    if isinstance(answer, Missing):
        return answer
    return str((answer.get("VpcBlockPublicAccessOptions") or {}).get("InternetGatewayBlockMode") or "off")


def _encryption_controls(ask: Asker, expected: Expected) -> str | Missing:
    """Return the mode of the VPC's Encryption Controls once it is in effect, else its state, "off" without any."""
    if expected.encryption_controls is None:
        return ""
    operation, action = "describe_vpc_encryption_controls", "ec2:DescribeVpcEncryptionControls"
    answer = every(ask, "ec2", operation, "VpcEncryptionControls", action, VpcIds=[expected.vpc_id])
    if isinstance(answer, Missing):
        return answer
    found = next((each for each in answer if each.get("State") != "deleted"), None)
    if found is None:
        return "off"
    settled = found.get("State") in (None, "available")
    return str(found.get("Mode") if settled else f"{found.get('Mode')}, {found.get('State')}")
