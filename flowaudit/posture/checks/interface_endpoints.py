"""Interface endpoints: there, in each Availability Zone, reachable, with private DNS and a policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowaudit.policies import Policy, Request
from flowaudit.posture.checks.security_groups import admits
from flowaudit.posture.checks.subnets import workloads_subnets
from flowaudit.posture.live import Live
from flowaudit.posture.model import Check, Expected, Property, compared
from flowaudit.posture.trial import FOREIGN_ACCOUNT, Wish, allows_everything, of_account, role, tried
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
    for each in _wished(expected, live):
        text = each.policy
        if text is None or allows_everything(text):
            found = "the default policy: everything is allowed"
            yield compared(_subject(each), "policy", "own account only", found, ok=False)
        elif action := _probe(each.service, live.region):
            requests = {
                account: [Request(action, "*", role(live, account), of_account(live, account))]
                for account in (live.account_id, FOREIGN_ACCOUNT)
            }
            policy, name = Policy.parse(text), "credentials of"
            yield tried(_subject(each), policy, f"{name} the account", Wish.ALLOWED, requests[live.account_id])
            yield tried(_subject(each), policy, f"{name} another account", Wish.REFUSED, requests[FOREIGN_ACCOUNT])


def _probe(service: str, region: str) -> str | None:
    return PROBES.get(service.partition(f".{region}.")[2]) or PROBES.get(service.rpartition(".")[2])


CHECKS = (
    Check("interface-endpoints", GUIDE, "Interface endpoint of each service is available", _present),
    Check("interface-endpoint-dns", GUIDE, "Interface endpoint has private DNS", _private_dns),
    Check("interface-endpoint-zones", GUIDE, "Interface endpoint is in each Availability Zone of the subnets", _zones),
    Check("interface-endpoint-access", GUIDE, "Interface endpoint admits HTTPS from workloads", _reachable),
    Check("interface-endpoint-policy", GUIDE, "Interface endpoint denies credentials of other accounts", _policy),
)
