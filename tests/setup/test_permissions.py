"""The IAM policies of the verbs: enough for their calls and for CloudFormation's, and no more."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from string import hexdigits
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.stub import Stubber
from moto import mock_aws

from flowaudit.config import load
from flowaudit.inventory.asking import Asker, action
from flowaudit.inventory.workloads.kinds import KINDS
from flowaudit.setup.handlers import HANDLERS
from flowaudit.setup.interfaces import delete_orphans
from flowaudit.setup.permissions import CALLS, WORKLOADS, missing_action, permissions
from flowaudit.setup.telemetry import telemetry
from tests.setup.recording import OTHERWISE, recorded
from tests.setup.registry import LEFT_OUT, handlers
from tests.setup.standing import with_nat
from tests.setup.wishes import ADMIN, WISHES, document, setup

VERBS = sorted(CALLS)
LONGEST = 6144
"""Characters of a managed policy, spaces not counted (IAM quotas)."""
TYPES = sorted({each["Type"] for wish in WISHES.values() for each in document(**wish)["Resources"].values()})
USER = "arn:aws:sts::111122223333:assumed-role/dev/me"


def statements(verb: str, **wish: Any) -> list[dict[str, Any]]:
    """The statements of a verb's policy."""
    found: list[dict[str, Any]] = permissions(setup(**wish), verb)["Statement"]
    return found


def allowed(verb: str, **wish: Any) -> set[str]:
    """The actions of a verb's policy."""
    return {each for statement in statements(verb, **wish) for each in statement["Action"]}


def resources(action: str, **wish: Any) -> list[str]:
    """The resources that the policy of apply allows an action on."""
    found = [each["Resource"] for each in statements("apply", **wish) if action in each["Action"]]
    assert len(found) == 1
    return found[0] if isinstance(found[0], list) else [found[0]]


def writes(action: str) -> bool:
    """Whether an action is more than reading."""
    return not action.partition(":")[2].startswith(("Get", "List", "Describe"))


# --- CloudFormation's calls ---


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("operation", ["create", "read", "update", "delete"])
def test_handlers_have_what_the_registry_says(kind: str, operation: str) -> None:
    """Each permission that a resource type declares, but those for properties that no template sets."""
    declared = handlers(kind).get(operation, set())
    left = {each for each in declared if any(fnmatch(each, pattern) for pattern in LEFT_OUT.get(kind, ()))}
    assert getattr(HANDLERS[kind], operation) == declared - left


def test_only_types_of_the_template_are_tabled() -> None:
    """A type that is no longer in any template has no row, here and among what is left out."""
    assert sorted(HANDLERS) == TYPES
    assert set(LEFT_OUT) <= set(TYPES)
    for kind, patterns in LEFT_OUT.items():
        declared = set().union(*handlers(kind).values())
        assert all(any(fnmatch(each, pattern) for each in declared) for pattern in patterns)


@pytest.mark.parametrize("wish", WISHES)
def test_apply_can_make_read_change_and_roll_back_each_resource(wish: str) -> None:
    """Those of this template."""
    types = {each["Type"] for each in document(**WISHES[wish])["Resources"].values()}
    needed = {
        each
        for kind in types
        for some in (HANDLERS[kind].create, HANDLERS[kind].read, HANDLERS[kind].update, HANDLERS[kind].delete)
        for each in some
    }
    assert needed <= allowed("apply", **WISHES[wish])


@pytest.mark.parametrize("verb", ["plan", "drift", "status", "verify", "policy"])
def test_verbs_that_read_change_nothing(verb: str) -> None:
    """But for the change set, and a stack that has nothing else; not one action of another service writes."""
    harmless = {
        "cloudformation:CreateChangeSet",
        "cloudformation:DeleteChangeSet",
        "cloudformation:DeleteStack",
        "cloudformation:TagResource",
        "cloudformation:UntagResource",
    }
    assert set(filter(writes, allowed(verb, **WISHES["everything"]))) <= harmless


def test_destroy_cannot_delete_what_is_kept() -> None:
    """Neither the flow log bucket, nor its policy, nor the log group."""
    for wish in ({}, WISHES["log group and guardrail"]):
        assert not allowed("destroy", **wish) & {"s3:DeleteBucket", "s3:DeleteBucketPolicy", "logs:DeleteLogGroup"}
    assert {"ec2:DeleteVpc", "ec2:DeleteFlowLogs"} <= allowed("destroy")


def test_options_cost_permissions() -> None:
    """IAM is asked for by those options only that make something in it."""
    changes = {"iam:CreateRole", "iam:CreatePolicy", "ec2:CreateNatGateway", "ec2:ModifyVpcBlockPublicAccessOptions"}
    assert not allowed("apply") & changes
    assert "iam:CreatePolicy" in allowed("apply", guardrail=True)
    assert "iam:CreateRole" in allowed("apply", flow_logs={"destination": "cloud-watch-logs"})
    assert "ec2:CreateNatGateway" in allowed("apply", profile="nat")


# --- resources and size ---


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("wish", WISHES)
def test_a_policy_fits_and_names_each_action_once(verb: str, wish: str) -> None:
    """It can be a managed policy; no wildcard stands for actions."""
    found = statements(verb, **WISHES[wish])
    named = [each for statement in found for each in statement["Action"]]
    assert len(named) == len(set(named))
    assert not [each for each in named if "*" in each]
    document = json.dumps(permissions(setup(**WISHES[wish]), verb), separators=(",", ":"))
    assert len(document) <= LONGEST


def test_resources_are_those_of_the_stack() -> None:
    """Stack, bucket, role, policy and log group are named after it."""
    wish: dict[str, Any] = {"name": "ml", "guardrail": True, "flow_logs": {"destination": "cloud-watch-logs"}}
    assert resources("cloudformation:ExecuteChangeSet", **wish) == [
        "arn:aws:cloudformation:us-east-1:*:changeSet/flowaudit-*/*",
        "arn:aws:cloudformation:us-east-1:*:stack/ml/*",
    ]
    assert resources("iam:PassRole", **wish) == ["arn:aws:iam::*:role/ml-FlowLogRole-*"]
    assert resources("iam:CreatePolicy", **wish) == ["arn:aws:iam::*:policy/ml-Guardrail-*"]
    assert resources("logs:DeleteLogGroup", **wish) == ["arn:aws:logs:us-east-1:*:log-group:ml-FlowLogGroup-*"]
    assert resources("s3:CreateBucket", name="ml") == ["arn:aws:s3:::ml-flowlogbucket-*"]


def test_your_buckets_are_touched_by_their_policy_only() -> None:
    """With bucket_policy, and not otherwise."""
    policy: dict[str, Any] = {"bucket_policy": {"enabled": True, "break_glass": [ADMIN]}}
    yours = {"arn:aws:s3:::amzn-example-models", "arn:aws:s3:::amzn-example-outputs"}
    assert yours <= set(resources("s3:PutBucketPolicy", **policy))
    assert not yours & set(resources("s3:PutBucketPolicy"))
    assert not yours & set(resources("s3:DeleteBucket", **policy))


@pytest.mark.parametrize("verb", VERBS)
def test_no_change_is_allowed_without_a_limit(verb: str) -> None:
    """What is not limited by resource is limited to the Region, or reads; log delivery knows neither."""
    for each in statements(verb, **WISHES["everything"]):
        if each["Resource"] == "*" and "Condition" not in each:
            assert set(filter(writes, each["Action"])) <= {"logs:CreateLogDelivery", "logs:DeleteLogDelivery"}


def test_a_role_is_passed_to_flow_logs_only() -> None:
    """To no other service."""
    found = statements("apply", flow_logs={"destination": "cloud-watch-logs"})
    (passed,) = [each for each in found if "iam:PassRole" in each["Action"]]
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "vpc-flow-logs.amazonaws.com"}}


def test_another_partition_has_its_own_arns() -> None:
    """GovCloud's begin with arn:aws-us-gov."""
    text = json.dumps(permissions(setup(region="us-gov-west-1"), "apply"))
    assert "arn:aws-us-gov:" in text
    assert "arn:aws:" not in text


def test_render_needs_nothing() -> None:
    """There is no policy of a verb without calls."""
    with pytest.raises(KeyError):
        permissions(setup(), "render")


# --- docs/setup.md ---

DOCS = Path(__file__).parents[2] / "docs"
OPTIONS: dict[str, dict[str, Any]] = {
    "guardrail": {"guardrail": True},
    "flow_logs.destination": {"flow_logs": {"destination": "cloud-watch-logs"}},
    "block_public_access": {"block_public_access": "block-ingress"},
    "encryption_controls": {"encryption_controls": "monitor"},
}
"""Options that add actions, by their key."""


def added(option: dict[str, Any]) -> set[str]:
    """The actions that apply needs with an option, and without it not."""
    return allowed("apply", profile="nat", **option) - allowed("apply", profile="nat")


@pytest.mark.parametrize("verb", VERBS)
def test_the_files_are_up_to_date(verb: str) -> None:
    """The policies of profile nat; to write one again: `json.dumps(permissions(setup, verb), indent=2)`."""
    wanted = permissions(load(DOCS / "setup" / "nat.toml", {}).setup, verb)
    assert (DOCS / "setup" / "permissions" / f"{verb}.json").read_text("utf-8") == json.dumps(wanted, indent=2) + "\n"


def test_the_page_has_what_options_add() -> None:
    """A row for each, with all of the actions and no other; and a link to each verb's file."""
    page = (DOCS / "setup.md").read_text("utf-8")
    section = page.partition("## Permissions\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| (`\w+:.*) \|$", section, re.MULTILINE))
    assert {key: set(re.findall(r"`(\w+:\w+)`", cell)) for key, cell in rows.items()} == {
        key: added(option) for key, option in OPTIONS.items()
    }
    assert sorted(re.findall(r"\]\(setup/permissions/(\w+)\.json\)", section)) == VERBS


# --- flowaudit's own calls ---


def test_own_calls_are_operations_that_there_are() -> None:
    """Each action is an operation of its service, as botocore has it."""
    session = Session()
    models = {each: session.get_service_model(each) for each in session.get_available_services() if each in WANTED}
    known = {f"{model.signing_name}:{name}" for model in models.values() for name in model.operation_names}
    known |= set(OTHERWISE.values())
    called = {one for actions in CALLS.values() for one in actions}
    assert called <= known


WANTED = {"cloudformation", "ec2", "efs", "iam", "logs", "observabilityadmin", "s3", "sagemaker", "sts"}


def test_workloads_are_listed_by_their_own_actions() -> None:
    """Those of the table that lists and describes them, and EFS for the mount targets of domains."""
    client = Session().create_client("sagemaker", region_name="us-east-1")
    listed = {action(client, "sagemaker", kind.list_operation) for kind in KINDS}
    described = {action(client, "sagemaker", kind.describe_operation) for kind in KINDS if kind.described}
    assert listed | described | {"elasticfilesystem:DescribeMountTargets"} == WORKLOADS


@mock_aws
def test_destroy_may_ask_what_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded: whose the interfaces are, and the deletion of an orphan."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    vpc = with_nat()
    vpc.interface()
    stack, made = vpc.stack, recorded(vpc.cloud.ec2)
    delete_orphans(vpc.cloud.ec2, vpc.look(stack).orphans)
    assert made == {each for each in CALLS["destroy"] if each.startswith("ec2:")}


def test_apply_may_ask_for_telemetry_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded: with a rule of the account and one of the organization, all of the five calls are made."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client = boto3.client("observabilityadmin", "us-east-1")
    summary = {"RuleName": "a", "RuleArn": "arn:a", "ResourceType": "AWS::EC2::VPC", "TelemetryType": "Logs"}
    rule = {"RuleName": "a", "TelemetryRule": {"TelemetryType": "Logs"}}
    with Stubber(client) as stub:
        for scope in ("", "_for_organization"):
            stub.add_response(f"list_telemetry_rules{scope}", {"TelemetryRuleSummaries": [summary]})
            stub.add_response(f"get_telemetry_rule{scope}", rule)
        stub.add_response("get_telemetry_evaluation_status", {"Status": "RUNNING"})
        made = recorded(client)
        telemetry(Asker("123456789012", "us-east-1", lambda _: client))
    assert made == {each for each in CALLS["apply"] if each.startswith("observabilityadmin:")}


def test_a_recording_has_the_names_of_iam() -> None:
    """Not those of the operations, where these differ."""
    client = boto3.client("s3", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_response("get_bucket_encryption", {})
        made = recorded(client)
        client.get_bucket_encryption(Bucket="amzn-example")
    assert made == {"s3:GetEncryptionConfiguration"}
    assert {xform_name(each.partition(":")[2]) for each in OTHERWISE} <= set(dir(client))


# --- access denied ---

DENIED = (
    f"You are not authorized to perform this operation. User: {USER} is not authorized to perform: "
    "ec2:CreateNatGateway on resource: arn:aws:ec2:us-east-1:111122223333:natgateway/* because no identity-based "
    "policy allows the ec2:CreateNatGateway action. Encoded authorization failure message: AbCd-1234_xyz"
)


def error(code: str, message: str, operation: str = "CreateChangeSet") -> ClientError:
    """An error of botocore's."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("code", "message", "action"),
    [
        (
            "AccessDenied",
            f"User: {USER} is not authorized to perform: cloudformation:CreateChangeSet on resource: arn:aws:cloudform",
            "cloudformation:CreateChangeSet",
        ),
        ("UnauthorizedOperation", DENIED, "ec2:CreateNatGateway"),
        (
            "UnauthorizedOperation",
            f"You are not authorized to perform this operation. Encoded authorization failure message: {hexdigits * 9}",
            "cloudformation:CreateChangeSet",
        ),
        ("AccessDeniedException", "no", "cloudformation:CreateChangeSet"),
        ("ValidationError", "API: iam:PassRole You are not authorized to perform this operation", "iam:PassRole"),
    ],
)
def test_a_denial_names_the_missing_action(code: str, message: str, action: str) -> None:
    """The one that the message names, else that of the call."""
    assert missing_action(error(code, message)) == action


@pytest.mark.parametrize(
    ("code", "message"), [("ValidationError", "Stack [x] does not exist"), ("Throttling", "Rate exceeded"), ("", "")]
)
def test_another_error_is_no_missing_permission(code: str, message: str) -> None:
    """A stack that is not there is not a matter of permissions."""
    assert missing_action(error(code, message)) is None
