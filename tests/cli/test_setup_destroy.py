"""`flowaudit setup destroy`, as it is typed, while something is in the VPC."""

from __future__ import annotations

from tests.cli.setup_cloud import Cloud
from tests.cli.setup_fixture import cloud, moto

__all__ = ["cloud", "moto"]


def test_destroy_refuses_while_a_workload_is_in_the_vpc(cloud: Cloud) -> None:
    """It names the interface, its owner and the command that ends it; nothing was deleted."""
    cloud.applied()
    cloud.endpoint("fraud")
    interface, before = cloud.interface(), cloud.left()
    ended = cloud.setup("destroy", "--yes")
    assert (ended.code, ended.out) == (3, "")
    assert f"{interface}: endpoint fraud (confidence " in ended.err
    assert "aws sagemaker delete-endpoint --endpoint-name fraud" in ended.err
    assert (cloud.left(), cloud.stacks) == (before, {"sagemaker": "CREATE_COMPLETE"})


def test_destroy_deletes_orphans(cloud: Cloud) -> None:
    """It says which, and why nobody uses them."""
    cloud.applied()
    interface = cloud.interface(attached=False)
    ended = cloud.setup("destroy", "--yes")
    assert ended.code == 0, ended.err
    assert f"also deleted: network interface {interface}, not attached, and in sg-" in ended.err
    assert set(cloud.left()) == {"buckets"}


def test_an_interface_that_is_left_behind_meanwhile_is_deleted(cloud: Cloud) -> None:
    """The deletion of the stack fails, the orphan is deleted, and the second deletion succeeds."""
    cloud.applied()
    cloud.calls.before["cloudformation:DeleteStack"] = lambda: cloud.interface(attached=False)
    ended = cloud.setup("destroy", "--yes")
    assert ended.code == 0, ended.err
    assert "DELETE_FAILED" in ended.err
    assert "and its policy" in ended.err
    assert (cloud.stacks, set(cloud.left())) == ({}, {"buckets"})


def test_an_interface_in_use_that_appears_meanwhile_stops_it(cloud: Cloud) -> None:
    """Its owner is named; destroy ends what is left, once it is gone."""
    cloud.applied()
    made: list[str] = []
    cloud.calls.before["cloudformation:DeleteStack"] = lambda: made.append(cloud.interface())
    ended = cloud.setup("destroy", "--yes")
    assert ended.code == 3
    assert f"  - {made[0]}: " in ended.err
    assert cloud.stacks == {"sagemaker": "DELETE_FAILED"}
    ended = cloud.setup("apply", "--yes")
    assert (ended.code, "run flowaudit setup destroy first" in ended.err) == (3, True)
    cloud.road.ec2.delete_network_interface(NetworkInterfaceId=made[0])
    assert cloud.setup("destroy", "--yes").code == 0
    assert (cloud.stacks, set(cloud.left())) == ({}, {"buckets"})
