"""The resource types of our template, made by ordinary calls of EC2, S3, IAM and CloudWatch Logs: a class for each."""

from __future__ import annotations

from flowaudit.simulate.cloudformation.resources.controls import BlockPublicAccess, EncryptionControl
from flowaudit.simulate.cloudformation.resources.endpoints import Endpoint
from flowaudit.simulate.cloudformation.resources.flow_logs import FlowLog, LogGroup
from flowaudit.simulate.cloudformation.resources.identity import ManagedPolicy, Role
from flowaudit.simulate.cloudformation.resources.internet import (
    Address,
    GatewayAttachment,
    InternetGateway,
    NatGateway,
)
from flowaudit.simulate.cloudformation.resources.kind import Kind, Made
from flowaudit.simulate.cloudformation.resources.network import (
    DhcpOptions,
    DhcpOptionsAssociation,
    Route,
    RouteTable,
    RouteTableAssociation,
    Subnet,
    Vpc,
)
from flowaudit.simulate.cloudformation.resources.security import Egress, Ingress, SecurityGroup
from flowaudit.simulate.cloudformation.resources.storage import Bucket, BucketPolicy

__all__ = ["KINDS", "Kind", "Made"]

_CLASSES: tuple[type[Kind], ...] = (
    *(Vpc, DhcpOptions, DhcpOptionsAssociation, Subnet, RouteTable, RouteTableAssociation, Route),
    *(InternetGateway, GatewayAttachment, Address, NatGateway),
    *(SecurityGroup, Ingress, Egress, Endpoint, FlowLog, LogGroup),
    *(Bucket, BucketPolicy, Role, ManagedPolicy, BlockPublicAccess, EncryptionControl),
)
KINDS = {each.type: each() for each in _CLASSES}
"""The types by name."""
