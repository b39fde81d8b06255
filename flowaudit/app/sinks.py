"""Settings of sinks → sinks, each with the client that it sends with."""

from __future__ import annotations

from flowaudit.app.aws import account, client
from flowaudit.config import sinks as settings
from flowaudit.errors import ConfigError
from flowaudit.sinks import Sink
from flowaudit.sinks.alertmanager import Alertmanager
from flowaudit.sinks.eventbridge import EventBridge
from flowaudit.sinks.ocsf_lines import OcsfFile, OcsfS3
from flowaudit.sinks.pagerduty import PagerDuty
from flowaudit.sinks.security_hub import Accounts, SecurityHub
from flowaudit.sinks.slack import Slack
from flowaudit.sinks.sns import Sns
from flowaudit.sinks.sqs import Sqs
from flowaudit.sinks.webhook import Webhook


def sink(one: settings.Sink) -> Sink:
    """Return the sink that settings describe; raises ConfigError where AWS's own chain is incomplete."""
    try:
        return _made(one)
    except ConfigError as error:
        name = f"sink {one.name}: "
        hint = ", or `region` of this sink" if getattr(one, "region", "") is None else ""
        raise ConfigError(f"{name}{str(error).removeprefix(name)}{hint}") from error


def _made(one: settings.Sink) -> Sink:  # noqa: PLR0911  a line for each kind
    match one:
        case settings.WebhookSink():
            return Webhook(one)
        case settings.SlackSink():
            return Slack(one)
        case settings.PagerDutySink():
            return PagerDuty(one)
        case settings.AlertmanagerSink():
            return Alertmanager(one)
        case settings.SnsSink():
            return Sns(one, client("sns", one.region))
        case settings.SqsSink():
            return Sqs(one, client("sqs", one.region))
        case settings.EventBridgeSink():
            return EventBridge(one, client("events", one.region))
        case settings.SecurityHubSink():
            return SecurityHub(one, lambda: _accounts(one))
        case settings.OcsfSink():
            return OcsfS3(one, client("s3")) if one.uri.startswith("s3://") else OcsfFile(one)


def _accounts(hub: settings.SecurityHubSink) -> Accounts:
    """Return a client for each account: the chain's own, and those of the roles."""
    own = account(hub.region)
    roles = {role.split(":")[4]: client("securityhub", hub.region, role) for role in hub.roles}
    return Accounts({own: client("securityhub", hub.region)} | roles, own)
