"""Words of `setup destroy`: why a VPC cannot be deleted now, and what is kept when it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from flowaudit.setup.interfaces import Remaining
from flowaudit.topology import Interface, Owner, Workload

STOP: Mapping[str, str] = {
    "app": "aws sagemaker delete-app",
    "auto_ml_job": "aws sagemaker stop-auto-ml-job --auto-ml-job-name {name}",
    "ai_benchmark_job": "aws sagemaker stop-ai-benchmark-job --ai-benchmark-job-name {name}",
    "cluster": "aws sagemaker delete-cluster --cluster-name {name}",
    "compilation_job": "aws sagemaker stop-compilation-job --compilation-job-name {name}",
    "domain": "aws sagemaker delete-domain --domain-id {name} --retention-policy HomeEfsFileSystem=Delete",
    "endpoint": "aws sagemaker delete-endpoint --endpoint-name {name}",
    "hyper_parameter_tuning_job": (
        "aws sagemaker stop-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name {name}"
    ),
    "inference_component": "aws sagemaker delete-inference-component --inference-component-name {name}",
    "inference_recommendations_job": "aws sagemaker stop-inference-recommendations-job --job-name {name}",
    "labeling_job": "aws sagemaker stop-labeling-job --labeling-job-name {name}",
    "notebook_instance": (
        "aws sagemaker stop-notebook-instance --notebook-instance-name {name}, "
        "then aws sagemaker delete-notebook-instance --notebook-instance-name {name}"
    ),
    "optimization_job": "aws sagemaker stop-optimization-job --optimization-job-name {name}",
    "processing_job": "aws sagemaker stop-processing-job --processing-job-name {name}",
    "training_job": "aws sagemaker stop-training-job --training-job-name {name}",
    "transform_job": "aws sagemaker stop-transform-job --transform-job-name {name}",
    "workforce": "aws sagemaker delete-workforce --workforce-name {name}",
}
"""The AWS CLI commands that end a workload, by kind (AWS CLI reference, `sagemaker`)."""
_NOTES: Mapping[str, str] = {
    "app": "all apps and spaces of a domain, then the domain itself",
    "domain": (
        "its apps, spaces and user profiles first; without the retention policy its EFS file system stays, "
        "and so do the mount targets in this VPC. HomeEfsFileSystem=Delete deletes the files of all users"
    ),
}
_ENDED = "It has ended: SageMaker deletes the interface by itself, after a warm pool up to 6 hours later; wait"
_OTHERS: Mapping[str, str] = {
    Owner.EC2_INSTANCE: "aws ec2 terminate-instances --instance-ids {instance}, or detach the interface",
    Owner.LAMBDA: "Remove the VPC configuration of the function; Lambda deletes the interface within 20 minutes",
    Owner.VPC_ENDPOINT: "aws ec2 delete-vpc-endpoints: it is not an endpoint of this stack",
    Owner.GATEWAY_LOAD_BALANCER_ENDPOINT: "aws ec2 delete-vpc-endpoints: it is not an endpoint of this stack",
    Owner.NAT_GATEWAY: "aws ec2 delete-nat-gateway: it is not a NAT gateway of this stack",
    Owner.LOAD_BALANCER: "Delete the load balancer",
    Owner.NETWORK_LOAD_BALANCER: "Delete the load balancer",
}
_MOUNT = re.compile(r"\((?P<target>fsmt-[0-9a-f]+)\)")


def refusal(remaining: Remaining) -> str | None:
    """Return why the stack must not be deleted now, and what to do first; None: nothing is in the way."""
    parts = [
        *_section("AWS did not answer, and what cannot be seen may be there", map(str, remaining.gaps)),
        *_section("SageMaker's network interfaces", (_sagemakers(each, remaining) for each in remaining.sagemaker)),
        *_section("SageMaker workloads in subnets of the VPC", map(_workload, _silent(remaining))),
        *_section("network interfaces of others", map(_others, remaining.others)),
        *_section("security groups that Studio made", _studio(remaining)),
    ]
    if not parts:
        return None
    return "\n".join([f"{remaining.vpc_id}: is still in use; nothing was deleted. First remove:", *parts])


def _section(title: str, lines: Iterable[str]) -> list[str]:
    found = [f"  - {line}" for line in lines]
    return [f"{title}:", *found] if found else []


def _silent(remaining: Remaining) -> Iterator[Workload]:
    """Yield the workloads that no interface was attributed to: the others are shown with theirs."""
    shown = {arn for each in remaining.sagemaker for arn in (each.workload_arn, *each.candidates)}
    yield from (each for each in remaining.workloads if each.arn not in shown)


def _sagemakers(each: Interface, remaining: Remaining) -> str:
    ground = f"confidence {each.confidence:.2f}: {each.evidence}"
    kind = _words(each.workload_kind or "a workload")
    if each.candidates:
        return f"{each.interface_id}: one of {', '.join(each.candidates)} ({ground}). Stop or delete them"
    if each.workload is None:
        return f"{each.interface_id}: {kind} ({ground}). Stop or delete it"
    ended = not remaining.gaps and each.workload_arn not in remaining.running
    first = _ENDED if ended else _command(each.workload_kind or "", each.workload)
    return f"{each.interface_id}: {kind} {each.workload} ({ground}). {first}"


def _workload(each: Workload) -> str:
    return f"{_words(each.kind)} {each.name} ({each.status}). {_command(each.kind, each.name)}"


def _command(kind: str, name: str) -> str:
    if kind not in STOP:
        return "Stop or delete it"
    note = f" ({_NOTES[kind]})" if kind in _NOTES else ""
    return STOP[kind].format(name=name) + note


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _others(each: Interface) -> str:
    ground = "; ".join(
        filter(
            None,
            (
                each.evidence or (each.description and f"its description is {each.description!r}"),
                each.requester_id and f"requested by {each.requester_id}",
                each.instance_id and f"attached to {each.instance_id}",
            ),
        )
    )
    who = "owner unknown" if each.owner in (Owner.UNKNOWN, Owner.OTHER) else _words(each.owner)
    return f"{each.interface_id}: {who} ({ground or 'nothing says whose it is'}). {_others_first(each)}"


def _others_first(each: Interface) -> str:
    if each.status == "available" and each.owner == Owner.UNKNOWN:
        return f"aws ec2 delete-network-interface --network-interface-id {each.interface_id}"
    if each.owner == Owner.EFS and (mount := _MOUNT.search(each.description)):
        return f"aws efs delete-mount-target --mount-target-id {mount['target']}"
    return _OTHERS.get(each.owner, "Delete what it belongs to").format(instance=each.instance_id)


def _studio(remaining: Remaining) -> Iterator[str]:
    for each in remaining.studio_groups:
        first = (
            f"Delete domain {each.domain}, then its two groups"
            if each.listed
            else "Remove the rules of both groups that name each other, then "
            f"aws ec2 delete-security-group --group-id {each.group_id}"
        )
        state = "" if each.listed else " is gone; Studio leaves them behind"
        yield f"{each.group_id}: {each.name} (domain {each.domain}{state}). {first}"


def kept(resources: Iterable[tuple[str, str]]) -> str | None:
    """Return what of retained resources, types and physical ids, stays and how to delete it; None: nothing stays."""
    lines = [line for kind, physical_id in resources for line in _kept(kind, physical_id)]
    if not lines:
        return None
    return "\n".join(["Kept, because flow logs are audit evidence:", *(f"  - {line}" for line in lines)])


def _kept(kind: str, physical_id: str) -> Iterator[str]:
    if kind == "AWS::S3::Bucket":
        yield (
            f"bucket {physical_id} and its policy. To delete it by hand: aws s3 rb s3://{physical_id} --force "
            "deletes current objects only and then fails, because the bucket is versioned: first delete all "
            "versions and delete markers (aws s3api list-object-versions, aws s3api delete-objects; "
            'or "Empty" in the S3 console)'
        )
    elif kind == "AWS::Logs::LogGroup":
        yield (
            f"log group {physical_id}. To delete it by hand: aws logs delete-log-group --log-group-name {physical_id}"
        )
    elif kind != "AWS::S3::BucketPolicy":
        yield f"{kind} {physical_id}"
