"""What AWS says exists, as plain values: interfaces, workloads, networks; and what was not allowed to be asked.

Names are those of EC2's and SageMaker's own answers (API references, `Describe…`), in snake case. Lists are sorted, so
that the same content is the same value; what changes by itself (free addresses, counts of packets) is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Owner(StrEnum):
    """What an interface is, as far as it can be told; `unknown` is an answer."""

    SAGEMAKER = "sagemaker"
    NAT_GATEWAY = "nat_gateway"
    TRANSIT_GATEWAY = "transit_gateway"
    VPC_ENDPOINT = "vpc_endpoint"
    GATEWAY_LOAD_BALANCER_ENDPOINT = "gateway_load_balancer_endpoint"
    NETWORK_LOAD_BALANCER = "network_load_balancer"
    LOAD_BALANCER = "load_balancer"
    EC2_INSTANCE = "ec2_instance"
    LAMBDA = "lambda"
    EFS = "efs"
    RDS = "rds"
    ECS = "ecs"
    OTHER = "other"
    UNKNOWN = "unknown"


class Attribution(StrEnum):
    """How an interface came to its workload, strongest first; `none`: it did not."""

    EXACT_ID = "exact_id"
    TAG = "tag"
    DESCRIPTION = "description"
    SECURITY_GROUPS = "security_groups"
    OPERATOR = "operator"
    NONE = "none"


SEEN_IN_LOGS = "seen_in_logs"
"""The status of an interface that no inventory ever listed: it was gone before anybody looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network interface, what it is, and whose (EC2 API, `NetworkInterface`).

    `private_addresses` begins with the primary one. `workload` is the name and `workload_arn` the ARN of the workload
    it was attributed to; where several would fit, both are None and `candidates` names their ARNs. `evidence` says in
    words what `owner` and workload rest on; `confidence` is between 0 and 1. `status` is EC2's, or `SEEN_IN_LOGS` of
    one that only flow logs tell of.
    """

    interface_id: str
    account_id: str
    region: str
    vpc_id: str | None = None
    subnet_id: str | None = None
    az_id: str | None = None
    status: str | None = None
    interface_type: str | None = None
    description: str = ""
    private_addresses: tuple[str, ...] = ()
    ipv6_addresses: tuple[str, ...] = ()
    public_addresses: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    requester_id: str | None = None
    requester_managed: bool = False
    instance_id: str | None = None
    instance_owner_id: str | None = None
    attached_at: datetime | None = None
    tags: tuple[tuple[str, str], ...] = ()
    owner: str = Owner.UNKNOWN
    workload_kind: str | None = None
    workload: str | None = None
    workload_arn: str | None = None
    attribution: str = Attribution.NONE
    confidence: float = 0.0
    evidence: str = ""
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcConfig:
    """Subnets and security groups that a workload's interfaces are made in and with (SageMaker API, `VpcConfig`)."""

    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A SageMaker resource: a job, an endpoint, a notebook, a domain … (SageMaker API, `Describe…`).

    `kind` is in snake case and singular: `endpoint`, `training_job`, `notebook_instance`. `running` tells whether it
    can have interfaces now. `vpc_configs` are its own or those it inherits (an endpoint's: its models'); empty: it does
    not touch a VPC of the customer. `internet` is how it reaches the internet beside its VPC: `direct` (by an interface
    of SageMaker's own, which no flow log sees) or `vpc` (by the VPC only); None where that is no question of its kind.
    `interface_ids` are those that AWS itself names. `parent` is the ARN of the workload that it is a part of, `uses`
    are the ARNs of those that it takes its VPC from: an endpoint's configuration, a configuration's models.
    """

    arn: str
    kind: str
    name: str
    account_id: str
    region: str
    status: str = ""
    running: bool = False
    created_at: datetime | None = None
    modified_at: datetime | None = None
    ended_at: datetime | None = None
    parent: str | None = None
    uses: tuple[str, ...] = ()
    vpc_configs: tuple[VpcConfig, ...] = ()
    network_isolation: bool | None = None
    inter_container_encryption: bool | None = None
    internet: str | None = None
    interface_ids: tuple[str, ...] = ()
    instances: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet and what it is associated with; `route_table_id` is the main one's where `explicit` is False."""

    subnet_id: str
    az_id: str | None = None
    availability_zone: str | None = None
    cidrs: tuple[str, ...] = ()
    route_table_id: str | None = None
    explicit: bool = False
    network_acl_id: str | None = None
    map_public_ip_on_launch: bool = False
    assign_ipv6_on_creation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route: `destination` is a CIDR or a prefix list's id, `target` `local` or the id (ARN) of what it leads to.

    `target` is empty where EC2 names none any more. `state` is `active`, `blackhole` or `filtered`; `origin` is EC2's:
    CreateRouteTable, CreateRoute, EnableVgwRoutePropagation, Advertisement.
    """

    destination: str
    target: str
    state: str = "active"
    origin: str = "CreateRoute"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """A route table; `gateways` are those that it is associated with at the edge."""

    route_table_id: str
    main: bool = False
    routes: tuple[Route, ...] = ()
    gateways: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A way out of the VPC.

    `kind` is `internet_gateway`, `egress_only_internet_gateway`, `nat_gateway`, `virtual_private_gateway`,
    `transit_gateway`, `vpc_peering`, `carrier_gateway` or `local_gateway`; `gateway_id` is what routes name.
    `connectivity` is a NAT gateway's `public` or `private`, `availability` its `zonal` or `regional`. `peer` is the
    other VPC of a peering.
    """

    kind: str
    gateway_id: str
    state: str = ""
    subnet_id: str | None = None
    interface_ids: tuple[str, ...] = ()
    private_addresses: tuple[str, ...] = ()
    public_addresses: tuple[str, ...] = ()
    connectivity: str | None = None
    availability: str | None = None
    peer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A VPC endpoint; `type` is EC2's: `Gateway`, `Interface`, `GatewayLoadBalancer`, `Resource` or `ServiceNetwork`.

    `service` is a service's name, or the ARN of a VPC Lattice resource or service network; `addresses` are its
    interfaces'.
    """

    endpoint_id: str
    type: str
    service: str
    state: str = ""
    policy: str | None = None
    private_dns: bool = False
    route_table_ids: tuple[str, ...] = ()
    subnet_ids: tuple[str, ...] = ()
    interface_ids: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixList:
    """A prefix list, AWS's own (`owner_id` AWS, `name` as in com.amazonaws.us-east-1.s3) or a customer's."""

    prefix_list_id: str
    name: str = ""
    owner_id: str = ""
    cidrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupRule:
    """A rule of a security group; `peer` is a CIDR, a prefix list's or another group's id, ports None: all.

    Of ICMP the ports are type and code, as in EC2's own answer.
    """

    egress: bool
    protocol: str
    peer: str
    from_port: int | None = None
    to_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroup:
    """A security group and its rules."""

    group_id: str
    name: str = ""
    rules: tuple[SecurityGroupRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AclEntry:
    """An entry of a network ACL, in the order of its number; of ICMP the ports are type and code."""

    number: int
    egress: bool
    action: str
    protocol: str
    cidr: str
    from_port: int | None = None
    to_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAcl:
    """A network ACL."""

    network_acl_id: str
    default: bool = False
    entries: tuple[AclEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLog:
    """A flow log; `resource_id` is the VPC, subnet, interface or gateway that it watches, `format` its fields.

    `format` is as EC2 gives it: `${version} ${account-id} …`. `status` is ACTIVE, `delivery_status` SUCCESS or FAILED.
    """

    flow_log_id: str
    resource_id: str
    traffic_type: str = ""
    status: str = ""
    delivery_status: str = ""
    delivery_error: str | None = None
    destination_type: str = ""
    destination: str = ""
    format: str = ""
    max_aggregation_interval: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A VPC as it stands: everything that decides which way a packet goes, and who may see it go.

    `account_id` is the account that looked, `owner_id` the one that owns the VPC: another's where it is shared.
    `unknown` names the parts (fields of this class) that could not be asked, or not in full: that something is not in
    them means nothing. Which kinds of gateways, and that endpoints' addresses could not be had, is said after a dot:
    `gateways.nat_gateway`, `endpoints.addresses`.
    """

    vpc_id: str
    account_id: str
    region: str
    owner_id: str | None = None
    cidrs: tuple[str, ...] = ()
    tenancy: str = "default"
    dns_support: bool | None = None
    dns_hostnames: bool | None = None
    domain_name: str | None = None
    domain_name_servers: tuple[str, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    route_tables: tuple[RouteTable, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    prefix_lists: tuple[PrefixList, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()
    network_acls: tuple[NetworkAcl, ...] = ()
    flow_logs: tuple[FlowLog, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """An API that did not answer, and so what the inventory lacks; `transient` where the next try may help."""

    account_id: str
    region: str
    service: str
    operation: str
    reason: str
    message: str = ""
    transient: bool = False

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.service} {self.operation} in {self.account_id} {self.region}: {self.reason}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What one look at an account's region found.

    `workloads` are in full what is there of each kind but those of `unlisted_kinds`, which could not be listed and are
    as they were; so are `interfaces` and `networks` unless None, which means that they could not be asked. `calls`
    counts the requests made, by IAM action (`ec2:DescribeSubnets`).
    """

    account_id: str
    region: str
    at: datetime
    interfaces: tuple[Interface, ...] | None = None
    workloads: tuple[Workload, ...] = ()
    unlisted_kinds: frozenset[str] = frozenset()
    networks: tuple[Network, ...] | None = None
    gaps: tuple[Gap, ...] = ()
    calls: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A network as it was found at `observed_at`; it became so after `not_before` (None: nobody had looked before).

    It stood until `until` at least (when it was last seen to be so) and was found changed at `changed_at` (None: it
    still stands).
    """

    network: Network
    observed_at: datetime
    until: datetime
    not_before: datetime | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IpRange:
    """A range of AWS's own public addresses (VPC User Guide, "AWS IP address ranges")."""

    prefix: str
    region: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What is known for judging records: each VPC's snapshots in order of time, interfaces, AWS's own addresses.

    Of each interface the newest observation; its id, VPC, subnet and addresses are for life.
    """

    snapshots: tuple[Snapshot, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    ip_ranges: tuple[IpRange, ...] = ()
