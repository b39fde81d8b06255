"""Interface endpoints: there, in each Availability Zone, reachable, with private DNS and a policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowaudit.policies import Policy, Request
from flowaudit.posture.checks.security_groups import admits
from flowaudit.posture.checks.subnets import workloads_subnets
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Property, compared, guarded
from flowaudit.posture.named import offers, strangers
from flowaudit.posture.trial import Wish, allows_everything, of_principal, role, tried
from flowaudit.topology import Endpoint

GUIDE = "G12 Connect Resources Outside Your VPC"
PROBES: Mapping[str, str] = {
    "bedrock-runtime": "bedrock:InvokeModel",
    "codeartifact.api": "codeartifact:GetAuthorizationToken",
    "codeartifact.repositories": "codeartifact:ReadFromRepository",
    "codecommit": "codecommit:GetRepository",
    "ec2": "ec2:DescribeInstances",
    "ecr.api": "ecr:GetAuthorizationToken",
    "ecr.dkr": "ecr:BatchGetImage",
    "elasticfilesystem": "elasticfilesystem:DescribeFileSystems",
    "events": "events:PutEvents",
    "git-codecommit": "codecommit:GitPull",
    "kms": "kms:Decrypt",
    "logs": "logs:PutLogEvents",
    "monitoring": "cloudwatch:PutMetricData",
    "notebook": "sagemaker:CreatePresignedNotebookInstanceUrl",
    "sagemaker.api": "sagemaker:DescribeTrainingJob",
    "sagemaker.featurestore-runtime": "sagemaker:GetRecord",
    "sagemaker.metrics": "sagemaker:BatchPutMetrics",
    "sagemaker.runtime": "sagemaker:InvokeEndpoint",
    "secretsmanager": "secretsmanager:GetSecretValue",
    "servicecatalog": "servicecatalog:DescribeProduct",
    "ssm": "ssm:GetParameter",
    "sts": "sts:AssumeRole",
    "studio": "sagemaker:CreatePresignedDomainUrl",
}
"""An action of each service that its endpoint's policy decides about."""


def _wished(expected: Expected, live: Live) -> Iterator[Endpoint]:
    """Yield the endpoints of the wished services that are there; raises Unseen."""
    for service in expected.services:
        found = [each for each in live.endpoints if (each.type, each.service) == ("Interface", service)]
        if found:
            yield min(found, key=lambda each: (not each.private_dns, each.state != "available", each.endpoint_id))


def _subject(endpoint: Endpoint) -> str:
    return f"{endpoint.endpoint_id} ({endpoint.service})"


def _present(expected: Expected, live: Live) -> Iterator[Property]:
    there = {each.service: each for each in _wished(expected, live)}
    for service in expected.services:
        endpoint = there.get(service)
        subject, state = (_subject(endpoint), endpoint.state) if endpoint else (service, "absent")
        yield compared(subject, "interface endpoint", "available", state, ok=state == "available")


def _private_dns(expected: Expected, live: Live) -> Iterator[Property]:
    for each in _wished(expected, live):
        why = "the standard DNS name of the service does not resolve to the endpoint"
        on = each.private_dns
        yield compared(_subject(each), "private DNS", "true", str(on).lower(), ok=on, why=why)


def _zones(expected: Expected, live: Live) -> Iterator[Property]:
    if not expected.services:
        return
    wanted, subnets = {each.az_id or "?" for each in workloads_subnets(expected, live)}, live.subnets
    for each in _wished(expected, live):
        found = {subnets[one].az_id or "?" for one in each.subnet_ids if one in subnets}
        yield compared(
            _subject(each),
            "Availability Zones",
            " ".join(sorted(wanted)),
            " ".join(sorted(found)) or "none",
            ok=wanted <= found,
            why="traffic of other Availability Zones is charged, and stops with the endpoint's",
        )


def _reachable(expected: Expected, live: Live) -> Iterator[Property]:
    for each in _wished(expected, live):
        for group in expected.workload_groups:
            ok = admits(expected, live, each.security_groups, group)
            found = "admitted" if ok else "not admitted"
            why = "requests of workloads time out"
            yield compared(_subject(each), f"HTTPS from {group}", "admitted", found, ok=ok, why=why)


def _policy(expected: Expected, live: Live) -> Iterator[Property]:
    if not expected.own_account_only:
        return
    for each in _reached(expected, live):
        yield from guarded(_subject(each), "policy", _own_account(live, each))


def _own_account(live: Live, endpoint: Endpoint) -> Iterator[Property]:
    subject, text = _subject(endpoint), endpoint.policy
    if text is None or allows_everything(text):
        found = "the default policy: everything is allowed"
        yield compared(subject, "policy", "own account only", found, ok=False)
        return
    policy, others = Policy.parse(text), strangers(live, text)
    actions = [action for action in (_probe(endpoint.service, live.region),) if action]
    own = role(live, live.account_id)
    if actions:
        requests = [Request(action, "*", own, of_principal(live, own)) for action in actions]
        yield tried(subject, policy, "credentials of the account", Wish.ALLOWED, requests)
    requests = [Request(action, "*", other, of_principal(live, other)) for action in actions for other in others]
    offered = [Request(*each, other, of_principal(live, other)) for each in offers(policy) for other in others]
    yield tried(subject, policy, "credentials of another account", Wish.REFUSED, requests, offered)


def _reached(expected: Expected, live: Live) -> Iterator[Endpoint]:
    """Yield the wished endpoints, and those that workloads reach as they are in the same security groups."""
    wished = list(_wished(expected, live))
    groups = {group for each in wished for group in each.security_groups}
    for each in live.endpoints:
        if each in wished or (each.type == "Interface" and not groups.isdisjoint(each.security_groups)):
            yield each


def _probe(service: str, region: str) -> str | None:
    return PROBES.get(service.partition(f".{region}.")[2]) or PROBES.get(service.rpartition(".")[2])


CHECKS = (
    Check("interface-endpoints", GUIDE, "Interface endpoint of each service is available", _present),
    Check("interface-endpoint-dns", GUIDE, "Interface endpoint has private DNS", _private_dns),
    Check("interface-endpoint-zones", GUIDE, "Interface endpoint is in each Availability Zone of the subnets", _zones),
    Check("interface-endpoint-access", GUIDE, "Interface endpoint admits HTTPS from workloads", _reachable),
    Check("interface-endpoint-policy", GUIDE, "Interface endpoint denies credentials of other accounts", _policy),
)
