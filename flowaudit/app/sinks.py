"""Settings of sinks → sinks, each with the client that it sends with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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


def sinks(configured: Iterable[settings.Sink]) -> list[tuple[Sink, settings.SinkSettings]]:
    """Return each sink with its settings; raises ConfigError where AWS's own chain is incomplete.

    Security Hub with roles is several sinks, `NAME` and `NAME-ACCOUNT`: an account that takes nothing delays no other.
    """
    return [(_sink(each), each) for one in configured for each in _by_account(one)]


def _by_account(one: settings.Sink) -> Iterator[settings.Sink]:
    if not isinstance(one, settings.SecurityHubSink) or not one.roles:
        yield one
        return
    roles = {role.split(":")[4]: role for role in one.roles}
    others = (*one.except_accounts, *roles)
    yield one.model_copy(update={"roles": (), "except_accounts": others})
    for account_id, role in roles.items():
        if one.takes_account(account_id):
            yield one.model_copy(
                update={"name": f"{one.name}-{account_id}", "roles": (role,), "accounts": (account_id,)}
            )


def _sink(one: settings.Sink) -> Sink:
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
    """Return the client of each role's account, without roles that of the credential chain's own."""
    clients = {role.split(":")[4]: client("securityhub", hub.region, role) for role in hub.roles}
    own = next(iter(clients), None) or account(hub.region)
    return Accounts(clients or {own: client("securityhub", hub.region)}, own)
