"""Flow logs, and the log groups of CloudWatch Logs."""

from __future__ import annotations

from flowaudit.simulate.cloudformation.cloud import Cloud, Properties, tags
from flowaudit.simulate.cloudformation.differences import same
from flowaudit.simulate.cloudformation.errors import Failed
from flowaudit.simulate.cloudformation.resources.kind import Ec2Kind, Kind, Made, without

_FORGOTTEN = ("DestinationOptions", "TagFieldSpecifications")
_PLAIN = (
    *("LogDestination", "LogDestinationType", "LogFormat", "LogGroupName"),
    *("DeliverLogsPermissionArn", "MaxAggregationInterval", "ResourceId", "TrafficType"),
)


class FlowLog(Ec2Kind):
    """A flow log: nothing but its tags can be changed."""

    type = "AWS::EC2::FlowLog"
    required = frozenset({"ResourceId", "ResourceType"})
    immutable = frozenset({*_PLAIN, *_FORGOTTEN, "ResourceType"})
    mutable = frozenset({"Tags"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:  # noqa: ARG002
        """Make the flow log; what moto forgets of it is set on moto's own object."""
        asked = {**without(wanted, "ResourceId", "Tags"), "ResourceIds": [wanted["ResourceId"]]}
        with cloud.lock:
            others = self._hide_others(cloud, wanted)
            try:
                answer = cloud.ec2.create_flow_logs(**asked)
            finally:
                cloud.moto.flow_logs.update(others)
        if answer["Unsuccessful"]:
            raise Failed(answer["Unsuccessful"][0]["Error"]["Message"])
        (made,) = answer["FlowLogIds"]
        log = cloud.moto.flow_logs[made]
        log.destination_options = wanted.get("DestinationOptions")  # type: ignore[attr-defined]
        log.tag_field_specifications = wanted.get("TagFieldSpecifications")  # type: ignore[attr-defined]
        self.retag(cloud, made, {}, wanted)
        return Made(made, {"Id": made})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:
        """Return the properties as EC2 describes them, None if there is no such flow log."""
        found = next(iter(cloud.ec2.describe_flow_logs(FlowLogIds=[id])["FlowLogs"]), None)
        if not found:
            return None
        log = cloud.moto.flow_logs[id]
        return {
            **{key: found.get(key) for key in _PLAIN},
            "ResourceType": deployed.get("ResourceType"),  # EC2 does not say it
            "DestinationOptions": getattr(log, "destination_options", None),
            "TagFieldSpecifications": getattr(log, "tag_field_specifications", None),
            "Tags": tags(found),
        }

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Delete the flow log."""
        cloud.ec2.delete_flow_logs(FlowLogIds=[id])

    def _hide_others(self, cloud: Cloud, wanted: Properties) -> Properties:
        """Take from moto flow logs of another format: it refuses any second one to a destination, AWS an equal one."""
        hidden = {}
        for id, log in list(cloud.moto.flow_logs.items()):
            there = {"LogFormat": log.log_format, "DestinationOptions": getattr(log, "destination_options", None)}
            if not same(there, {key: wanted.get(key) for key in there}):
                hidden[id] = cloud.moto.flow_logs.pop(id)
        return hidden


class LogGroup(Kind):
    """A log group."""

    type = "AWS::Logs::LogGroup"
    immutable = frozenset({"LogGroupName"})
    mutable = frozenset({"RetentionInDays", "Tags"})

    def create(self, cloud: Cloud, name: str, wanted: Properties) -> Made:
        """Make the log group."""
        group = wanted.get("LogGroupName", name)
        cloud.client("logs").create_log_group(logGroupName=group)
        self.update(cloud, group, {}, wanted)
        arn = next(each["arn"] for each in self._described(cloud, group))
        return Made(group, {"Arn": arn if arn.endswith(":*") else f"{arn}:*"})

    def read(self, cloud: Cloud, id: str, deployed: Properties) -> Properties | None:  # noqa: ARG002
        """Return the properties as CloudWatch Logs describes them."""
        found = next(iter(self._described(cloud, id)), None)
        if found is None:
            return None
        given = cloud.client("logs").list_tags_log_group(logGroupName=id)["tags"]
        return {
            "LogGroupName": id,
            "RetentionInDays": found.get("retentionInDays"),
            "Tags": [{"Key": key, "Value": value} for key, value in given.items()],
        }

    def update(self, cloud: Cloud, id: str, old: Properties, new: Properties) -> None:
        """Change retention and tags."""
        logs = cloud.client("logs")
        if "RetentionInDays" in new:
            logs.put_retention_policy(logGroupName=id, retentionInDays=int(new["RetentionInDays"]))
        after = {each["Key"]: each["Value"] for each in new.get("Tags", [])}
        if gone := [each["Key"] for each in old.get("Tags", []) if each["Key"] not in after]:
            logs.untag_log_group(logGroupName=id, tags=gone)
        if after:
            logs.tag_log_group(logGroupName=id, tags=after)

    def delete(self, cloud: Cloud, id: str, deployed: Properties) -> None:  # noqa: ARG002
        """Delete the log group."""
        cloud.client("logs").delete_log_group(logGroupName=id)

    def _described(self, cloud: Cloud, id: str) -> list[Properties]:
        found = cloud.client("logs").describe_log_groups(logGroupNamePrefix=id)["logGroups"]
        return [each for each in found if each["logGroupName"] == id]
