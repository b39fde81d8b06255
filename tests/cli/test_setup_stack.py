"""`flowaudit setup plan | apply | status | verify | drift | destroy`, as a user types them, in an emulated account."""

from __future__ import annotations

import signal
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from tests.cli.setup_cloud import Cloud, Terminal
from tests.cli.setup_fixture import cloud, moto
from tests.simulate.cloudformation.small import network

__all__ = ["cloud", "moto"]

NAT = 'profile = "nat"\nnat = "single"'
REASON = (
    'Resource handler returned message: "Performing this operation would exceed the limit of 5 NAT gateways (Service: '
    'Ec2, Status Code: 400, Request ID: 0)" (RequestToken: 0, HandlerErrorCode: ServiceLimitExceeded)'
)


# --- the road ---------------------------------------------------------------------------------------------------------


def test_a_plan_changes_nothing(cloud: Cloud) -> None:
    """Each resource of the template is to be added; neither a stack nor a resource is left."""
    before = cloud.left()
    ended = cloud.setup("plan")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "stack sagemaker in us-east-1, new:"
    assert lines[-1] == f"{len(lines) - 2} to add"
    assert {line.split()[1] for line in lines[1:-1]} == {"add"}
    assert (cloud.stacks, cloud.left()) == ({}, before)


def test_the_road(cloud: Cloud) -> None:
    """Apply makes the VPC, a second one changes nothing, it is as expected, nothing drifted, and destroy ends it."""
    before = cloud.left()
    ended = cloud.applied("", "--watch-config", "watch.toml")
    outputs = cloud.road.outputs()
    assert ended.json == {
        "Subnets": outputs["PrivateSubnetIds"].split(","),
        "SecurityGroupIds": [outputs["WorkloadSecurityGroupId"]],
    }
    ids, events, file = cloud.road.ids(), cloud.road.events(), (cloud.folder / "watch.toml").stat()

    again = cloud.applied("", "--watch-config", "watch.toml")
    assert again.stdout == ended.stdout
    assert "no changes: 17 resources as wanted\n" in again.err
    assert (cloud.road.ids(), cloud.road.events()) == (ids, events)
    after = (cloud.folder / "watch.toml").stat()
    assert (after.st_ino, after.st_mtime_ns) == (file.st_ino, file.st_mtime_ns)

    verified, drifted, planned = cloud.setup("verify"), cloud.setup("drift"), cloud.setup("plan")
    assert (verified.code, verified.out) == (0, "")
    assert verified.err.endswith(" as expected\n")
    assert (drifted.code, drifted.out) == (0, "17 resources compared, 0 changed by hand\n")
    assert planned.out.endswith("no changes: 17 resources as wanted\n")
    assert cloud.setup("status", "--format", "json").json["status"] == "CREATE_COMPLETE"

    ended = cloud.setup("destroy", "--yes")
    assert (ended.code, ended.out) == (0, "")
    assert f"bucket {ids['FlowLogBucket']} and its policy" in ended.err.partition("Kept, ")[2]
    assert cloud.left() == before | {"buckets": [ids["FlowLogBucket"]]}
    ended = cloud.setup("destroy", "--yes")
    assert (ended.code, ended.err) == (0, "there is no stack sagemaker in us-east-1: nothing to do\n")


def test_a_change_by_hand_is_shown_and_reverted(cloud: Cloud) -> None:
    """Drift names the property and ends with 1, plan shows both values, apply changes it back."""
    cloud.applied()
    ids = cloud.road.ids()
    cloud.road.ec2.modify_vpc_endpoint(VpcEndpointId=ids["S3Endpoint"], RemoveRouteTableIds=[ids["PrivateRouteTable2"]])
    drifted = cloud.setup("drift")
    assert drifted.code == 1
    assert f"S3Endpoint  AWS::EC2::VPCEndpoint  {ids['S3Endpoint']}\n    RouteTableIds" in drifted.out
    assert ids["PrivateRouteTable2"] in drifted.out.partition("deployed:")[2].partition("by hand:")[0]
    assert drifted.out.endswith("17 resources compared, 1 changed by hand\n")

    planned = cloud.setup("plan").out
    assert "~ change      S3Endpoint" in planned
    assert "warning: S3Endpoint (change): switches the route to S3" in planned
    assert planned.endswith("1 to change, 16 to keep; 1 changed by hand\n")

    cloud.applied()
    assert cloud.setup("drift").code == 0
    assert cloud.setup("verify").code == 0
    assert cloud.road.ids() == ids


def test_what_was_deleted_by_hand_is_made_anew(cloud: Cloud) -> None:
    """Drift says so, and apply makes it."""
    cloud.applied()
    flow_log = cloud.road.ids()["FlowLog"]
    cloud.road.ec2.delete_flow_logs(FlowLogIds=[flow_log])
    drifted = cloud.setup("drift")
    assert (drifted.code, f"{flow_log}  was deleted" in drifted.out) == (1, True)
    cloud.applied()
    assert cloud.road.ids()["FlowLog"] != flow_log
    assert cloud.setup("verify").code == 0


def test_a_change_of_profile_warns_of_cut_connections(cloud: Cloud) -> None:
    """From NAT gateways to none: routes are switched, which the plan says, and the VPC is as expected afterwards."""
    cloud.applied(NAT)
    cloud.wants()
    planned = cloud.setup("plan").out
    for words in ("switches a route", "connections over it are cut", "connections to the internet are cut"):
        assert [line for line in planned.splitlines() if line.startswith("warning: ") and words in line]
    cloud.applied()
    assert cloud.setup("verify").code == 0
    assert not {"addresses", "nat gateways", "internet gateways"} & set(cloud.left())
    assert "no changes: 17 resources as wanted" in cloud.setup("plan").out


def test_a_template_that_is_too_long_as_yaml_is_sent_as_json(cloud: Cloud) -> None:
    """CloudFormation takes 51,200 bytes in a request, and JSON without spaces is shorter."""
    cloud.wants(least=many(buckets=185, principals=0))
    assert len(cloud.setup("render").stdout) > 51_200
    assert cloud.setup("plan").code == 0


# --- nobody wants it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["n\n", "\n", ""], ids=["no", "nothing", "Ctrl-D"])
def test_without_a_yes_nothing_is_made(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """The exit code is 1; change set and stack are deleted."""
    before = cloud.left()
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    ended = cloud.setup("apply", "--watch-config", "watch.toml")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.endswith("nothing was changed\n")
    assert (cloud.stacks, cloud.left()) == ({}, before)
    assert [each.name for each in cloud.folder.iterdir()] == ["flowaudit.toml"]


@pytest.mark.parametrize("stdin", [StringIO("y\n"), None], ids=["pipe", "closed"])
def test_without_a_terminal_it_needs_yes(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, stdin: StringIO | None) -> None:
    """What is piped is no answer; the exit code is that of a usage mistake."""
    monkeypatch.setattr("sys.stdin", stdin)
    ended = cloud.setup("apply")
    assert (ended.code, ended.out) == (2, "")
    assert "There is no terminal to answer: add --yes" in ended.err
    assert cloud.stacks == {}


def test_a_destroy_without_a_yes_deletes_nothing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even an interface that nobody uses."""
    cloud.applied()
    cloud.interface(attached=False)
    before = cloud.left()
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    ended = cloud.setup("destroy")
    assert (ended.code, ended.err.endswith("nothing was changed\n")) == (1, True)
    assert cloud.left() == before


def test_a_yes_is_enough(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal nothing but the answer is needed."""
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert cloud.setup("apply").code == 0
    assert cloud.stacks == {"sagemaker": "CREATE_COMPLETE"}


# --- --watch-config ---------------------------------------------------------------------------------------------------


def occupied(folder: Path) -> Path:
    """A file with other content."""
    (folder / "watch.toml").write_text("# mine\n", "utf-8")
    return folder / "watch.toml"


def dangling(folder: Path) -> Path:
    """A link to nothing."""
    (folder / "watch.toml").symlink_to("elsewhere.toml")
    return folder / "watch.toml"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (occupied, "exists, with other content: name another file"),
        (dangling, "exists, with other content: name another file"),
        (lambda folder: folder / "nowhere" / "watch.toml", "cannot be written: No such file or directory"),
        (lambda folder: folder / "flowaudit.toml" / "watch.toml", "cannot be written: Not a directory"),
        (lambda folder: folder, "cannot be written: Is a directory"),
    ],
    ids=["other content", "dangling link", "no folder", "file as folder", "folder"],
)
def test_a_file_that_cannot_be_written_is_refused_first(
    cloud: Cloud, place: Callable[[Path], Path], words: str
) -> None:
    """Before anything is made, and before anybody is asked."""
    file = place(cloud.folder)
    files = sorted(cloud.folder.iterdir())
    ended = cloud.setup("apply", "--watch-config", file)
    assert (ended.code, ended.err) == (3, f"error: {file}: {words}{', or move this one away' * ('exists' in words)}\n")
    assert not cloud.calls.made & {"cloudformation:CreateChangeSet"}
    assert sorted(cloud.folder.iterdir()) == files


def test_a_file_of_another_profile_is_refused_first(cloud: Cloud) -> None:
    """The policy in it would be another one: it is not overwritten, and the VPC is not changed."""
    cloud.applied("", "--watch-config", "watch.toml")
    events = cloud.road.events()
    cloud.wants(NAT)
    ended = cloud.setup("apply", "--yes", "--watch-config", "watch.toml")
    assert (ended.code, "watch.toml: exists, with other content" in ended.err) == (3, True)
    assert cloud.road.events() == events


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_failed_first_apply_leaves_nothing(cloud: Cloud) -> None:
    """Not even the bucket; the message has the first resource that failed, in plain words."""
    before = cloud.left()
    cloud.road.engine.fail = {"NatGateway1": REASON}
    cloud.wants(NAT)
    ended = cloud.setup("apply", "--yes", "--watch-config", "watch.toml")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.splitlines()[-1] == (
        "error: stack sagemaker failed, nothing of it is left. The reason: NatGateway1 (AWS::EC2::NatGateway): "
        "Performing this operation would exceed the limit of 5 NAT gateways. Quota NAT gateways per Availability Zone "
        "(L-FE5A380F): request an increase in Service Quotas"
    )
    assert (cloud.stacks, cloud.left()) == ({}, before)
    assert [each.name for each in cloud.folder.iterdir()] == ["flowaudit.toml"]


def test_a_failed_update_is_rolled_back(cloud: Cloud) -> None:
    """The VPC is as it was, verify says so, and status has the reason."""
    cloud.applied()
    before = cloud.left()
    cloud.road.engine.fail = {"NatGateway1": REASON}
    cloud.wants(NAT)
    ended = cloud.setup("apply", "--yes")
    assert (ended.code, ended.out) == (3, "")
    assert "error: stack sagemaker failed, it is as it was before. The reason: NatGateway1" in ended.err
    assert cloud.left() == before
    assert "exceed the limit of 5 NAT gateways" in cloud.setup("status").out
    cloud.wants()
    assert cloud.setup("verify").code == 0
    assert "no changes" in cloud.applied().err


@pytest.mark.parametrize(
    ("verb", "action"),
    [
        ("plan", "cloudformation:DescribeStacks"),
        ("plan", "cloudformation:CreateChangeSet"),
        ("plan", "ec2:DescribeManagedPrefixLists"),
        ("apply", "cloudformation:ExecuteChangeSet"),
        ("apply", "ec2:RevokeSecurityGroupEgress"),
    ],
)
def test_a_denied_call_is_named(cloud: Cloud, verb: str, action: str) -> None:
    """By its IAM action; what was proposed is taken back."""
    cloud.calls.denied = {action}
    ended = cloud.setup(verb, *(["--yes"] if verb == "apply" else []))
    assert ended.code == 3
    assert f"the permission {action} is missing" in ended.err
    assert cloud.stacks == ({} if not action.startswith("ec2:Revoke") else {"sagemaker": "CREATE_COMPLETE"})


def test_the_account_has_to_be_known(cloud: Cloud) -> None:
    """Where STS refuses, the credentials are named as the cause, and nothing was made."""
    cloud.calls.denied = {"sts:GetCallerIdentity"}
    ended = cloud.setup("apply", "--yes")
    assert (ended.code, "the account of the AWS credentials is unknown" in ended.err) == (2, True)
    assert cloud.stacks == {}


def test_a_denied_call_of_cloudformation_is_named(cloud: Cloud) -> None:
    """CloudFormation acts with the same credentials."""
    cloud.road.engine.deny = {"ec2:CreateFlowLogs"}
    ended = cloud.setup("apply", "--yes")
    assert ended.code == 3
    assert "Permission ec2:CreateFlowLogs is missing" in ended.err
    assert cloud.stacks == {}


def test_a_template_that_is_too_long_is_refused(cloud: Cloud) -> None:
    """With its size, and the command that takes it over S3; no stack was made."""
    cloud.wants(least=many(buckets=300, principals=5))
    ended = cloud.setup("plan")
    assert (ended.code, ended.out) == (3, "")
    assert "CloudFormation takes 51,200: run flowaudit setup render, and aws cloudformation deploy" in ended.err
    assert cloud.stacks == {}


def many(*, buckets: int, principals: int) -> str:
    """Return a configuration of many buckets, each with a policy if there are break-glass principals."""
    names = [f"amzn-example-{number:03}-{'x' * 40}" for number in range(buckets)]
    roles = [f"arn:aws:iam::111122223333:role/break-glass-{number:03}" for number in range(principals)]
    policy = f"bucket_policy = {{ enabled = true, break_glass = {roles} }}" if roles else ""
    return f'[setup]\nregion = "us-east-1"\nbuckets = {{ read_write = {names} }}\n{policy}\n'


# --- somebody else ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["plan", "apply", "drift", "verify", "destroy"])
def test_a_stack_of_the_same_name_that_is_not_ours_is_left_alone(cloud: Cloud, verb: str) -> None:
    """The message says to choose another name."""
    assert cloud.road.create(body=network()) == "CREATE_COMPLETE"
    events = cloud.road.events()
    ended = cloud.setup(verb, *(["--yes"] if verb in ("apply", "destroy") else []))
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        "error: stack sagemaker was not made from a template of flowaudit: choose another setup.name\n"
    )
    assert cloud.road.events() == events


def test_a_busy_stack_is_left_alone(cloud: Cloud) -> None:
    """Until the other apply is over; its VPC is made in full."""
    cloud.road.engine.delay = 0.25
    other = cloud.started("apply", "--yes")
    cloud.until("CREATE_IN_PROGRESS")
    for verb in ("plan", "apply", "destroy"):
        ended = cloud.setup(verb, *(["--yes"] if verb != "plan" else []))
        assert ended.code == 3
        assert "stack sagemaker is CREATE_IN_PROGRESS: wait until that is over, see flowaudit setup status" in ended.err
    _, err = other.communicate(timeout=60)
    assert other.returncode == 0, err
    assert cloud.stacks == {"sagemaker": "CREATE_COMPLETE"}


def test_of_two_applies_at_the_same_time_one_is_refused(cloud: Cloud) -> None:
    """The one that is executed later is out of date."""
    cloud.calls.before["cloudformation:ExecuteChangeSet"] = lambda: cloud.started("apply", "--yes").communicate()
    ended = cloud.setup("apply", "--yes")
    assert (ended.code, ended.out) == (3, "")
    assert "error: stack sagemaker was changed by somebody else meanwhile: run the command again" in ended.err
    assert cloud.stacks == {"sagemaker": "CREATE_COMPLETE"}
    assert cloud.applied().json


def test_a_plan_beside_an_apply_is_harmless(cloud: Cloud) -> None:
    """What the plan takes back is its own change set only."""
    cloud.calls.before["cloudformation:ExecuteChangeSet"] = lambda: cloud.started("plan").communicate()
    assert cloud.setup("apply", "--yes").code == 0
    assert cloud.stacks == {"sagemaker": "CREATE_COMPLETE"}


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_does_not_stop_cloudformation(cloud: Cloud) -> None:
    """The message says so, and how to see the end; the exit code is 130, and the stack is completed."""
    cloud.road.engine.delay = 0.25
    started = cloud.started("apply", "--yes")
    cloud.until("CREATE_IN_PROGRESS")
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert (started.returncode, out) == (130, "")
    assert err.splitlines()[-1] == (
        "stopped, but CloudFormation goes on with stack sagemaker in us-east-1: "
        "flowaudit setup status shows how it ends"
    )
    assert cloud.until("CREATE_COMPLETE") == {"sagemaker": "CREATE_COMPLETE"}
    assert cloud.setup("apply", "--yes").code == 0
