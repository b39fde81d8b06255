"""What a policy names itself: an exception for one principal or network is seen in no request but that one's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import ip_network
from itertools import product

from flowaudit.policies import Policy, Statement
from flowaudit.policies.statements import Selection
from flowaudit.posture.live import Live
from flowaudit.posture.trial import FOREIGN_ACCOUNT, role

SAMPLE = "flowaudit-verify"
"""What stands for a wildcard."""
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:(?:iam|sts)::\d{12}:[\w+=,.@/*?-]+", re.ASCII)
_ACCOUNT = re.compile(r"(?<!\w)\d{12}(?!\w)", re.ASCII)
_ENDPOINT = re.compile(r"\bvpce?-[0-9a-f]+\b", re.ASCII)
_NETWORK = re.compile(r"(?<![\w.])\d+(?:\.\d+){3}(?:/\d+)?(?![\w.])", re.ASCII)


def principals(text: str) -> list[str]:
    """Return the ARNs of principals as a policy names them, wildcards included."""
    return list(dict.fromkeys(_PRINCIPAL.findall(_plain(text))))


def strangers(live: Live, text: str) -> list[str]:
    """Return ARNs of principals of other accounts: of any one, and of those that a policy names."""
    accounts = (each for each in (FOREIGN_ACCOUNT, *_ACCOUNT.findall(_plain(text))) if each != live.account_id)
    named = (sample(arn) for arn in principals(text) if arn.split(":")[4] != live.account_id)
    return list(dict.fromkeys((*(role(live, each) for each in accounts), *named)))


def endpoints(text: str) -> list[str]:
    """Return the ids of VPCs and endpoints that a policy names."""
    return list(dict.fromkeys(_ENDPOINT.findall(_plain(text))))


def addresses(text: str) -> Iterator[str]:
    """Yield an address of each IPv4 network that a policy names."""
    for each in dict.fromkeys(_NETWORK.findall(_plain(text))):
        try:
            yield str(ip_network(each, strict=False)[0])
        except ValueError:
            continue


def offers(policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield an action and a resource of each kind that a statement allows."""
    for each in policy.statements:
        if each.allow:
            yield from _offered(each)


def _offered(statement: Statement) -> Iterator[tuple[str, str]]:
    return product(_samples(statement.actions), _samples(statement.resources))


def _samples(selection: Selection) -> list[str]:
    return [SAMPLE] if selection.inverted else [sample(pattern.text) for pattern in selection.patterns]


def sample(text: str) -> str:
    """Return a text that a pattern matches."""
    return text.replace("*", SAMPLE).replace("?", "x")


def _plain(text: str) -> str:
    """Return a policy without escapes of JSON."""
    return json.dumps(json.loads(text), ensure_ascii=False)
