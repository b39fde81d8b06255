"""What holds for every policy that is made: it allows what is needed, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from flowaudit.config import Setup
from flowaudit.policies import Decision, Policy, Request
from flowaudit.setup.least_privilege import _place
from flowaudit.setup.least_privilege.document import ACTIONS, LISTED, Writer
from flowaudit.setup.least_privilege.needs import Access, Scope
from flowaudit.setup.policy_file import LONGEST
from tests.sagemaker import ACCOUNT, REGION, SESSION

KEYS = st.text("ab/*?${}:'", max_size=8)
SCOPES = st.builds(Scope, st.sampled_from(["bucket", "bucket-2"]), KEYS, st.booleans())
NEEDS = st.lists(st.tuples(st.sampled_from(Access), SCOPES), max_size=6)
EVERY_ACTION = sorted({action for some in ACTIONS.values() for action in some} | {"s3:PutObjectAcl"})


def allows(policy: Policy, action: str, path: str, **keys: str) -> bool:
    """Return whether a policy allows an action for credentials of the account."""
    context = {"aws:PrincipalAccount": ACCOUNT, **{name.replace("_", ":"): value for name, value in keys.items()}}
    return policy.decide(Request(action, f"arn:aws:s3:::{path}", context=context)).decision is Decision.ALLOWED


def has(scope: Scope, bucket: str, key: str) -> bool:
    """Return whether a key of a bucket is in a scope."""
    return scope.bucket == bucket and (key.startswith(scope.key) if scope.wide else key == scope.key)


@given(NEEDS, st.sampled_from(["bucket", "bucket-2", "bucket-23"]), KEYS, st.sampled_from(EVERY_ACTION))
def test_objects(needs: list[tuple[Access, Scope]], bucket: str, key: str, action: str) -> None:
    """An action on an object is allowed exactly where a need has it, whatever characters are in its key."""
    policy = Policy.parse(Writer(Setup(), REGION, ACCOUNT, layers=False).document(needs).text)
    for name in (key, *(scope.key for _, scope in needs)):
        needed = any(action in ACTIONS[access] and has(scope, bucket, name) for access, scope in needs)
        assert allows(policy, action, f"{bucket}/{name}") == needed


@given(NEEDS, st.sampled_from(["bucket", "bucket-2"]), KEYS)
def test_lists(needs: list[tuple[Access, Scope]], bucket: str, prefix: str) -> None:
    """A prefix can be listed exactly where it is read, that of a folder without its slash too."""
    policy = Policy.parse(Writer(Setup(), REGION, ACCOUNT, layers=False).document(needs).text)
    read = [scope for access, scope in needs if access in LISTED]
    needed = any(
        has(scope, bucket, prefix)
        or (scope.bucket == bucket and scope.wide and scope.key.endswith("/") and prefix == scope.key.rstrip("/"))
        for scope in read
    )
    assert allows(policy, "s3:ListBucket", bucket, s3_prefix=prefix) == needed


@given(NEEDS, st.integers(1_500, LONGEST))
def test_merging_takes_nothing_away(needs: list[tuple[Access, Scope]], longest: int) -> None:
    """What is needed stays allowed however much is merged, and nothing that a bucket's needs do not have is added."""
    document = Writer(Setup(), REGION, ACCOUNT, layers=False).document(needs, max(longest, 4_000))
    assert len(document.text) <= max(longest, 4_000)
    policy = Policy.parse(document.text)
    for access, scope in needs:
        assert all(allows(policy, action, f"{scope.bucket}/{scope.key}") for action in ACTIONS[access])
    assert {(access, scope.bucket) for access, scope in document.scopes} == {
        (access, scope.bucket) for access, scope in needs
    }


HERE = {"HTTPHeaders": {"x-amz-bucket-region": REGION}}


@pytest.mark.parametrize(
    ("status", "meta", "place"),
    [
        (403, HERE, REGION),
        (301, {"HTTPHeaders": {"x-amz-bucket-region": "us-east-1"}}, "us-east-1"),
        (404, {}, "does not exist"),
        (503, {}, ""),
    ],
)
def test_where_buckets_are(status: int, meta: dict[str, Any], place: str) -> None:
    """S3 names the region even where it refuses; a bucket that does not exist is nowhere."""
    client = SESSION.create_client("s3", region_name=REGION)
    with Stubber(client) as stub:
        stub.add_client_error("head_bucket", str(status), http_status_code=status, response_meta=meta)
        assert _place(client, "bucket") == place


def test_s3_that_is_not_reached() -> None:
    """A time-out is no answer: the region is not known."""
    client = SESSION.create_client("s3", region_name=REGION, endpoint_url="http://127.0.0.1:1")
    assert _place(client, "bucket") == ""
