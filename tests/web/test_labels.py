"""What a page shows in place of the values of columns."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flowaudit.web.labels import spoken
from flowaudit.web.render import Renderer

FILTERS = Renderer()._templates.filters


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1 address by internet_gateway from", "1 address by internet gateway from"),
        (
            "Path nat_gateway, evidence traffic_path+routes: why.",
            "Path NAT gateway, evidence traffic-path and routes: why.",
        ),
        ("(nat_record); vpc_peering", "(record of the NAT gateway); VPC peering"),
        ("at 2026-11-25T17:18:12Z, to 2026-11-25T17:18Z.", "at 2026-11-25 17:18:12, to 2026-11-25 17:18."),
        ("s3://a/internet_gateway/2026-11-25T17:18Z/b", "s3://a/internet_gateway/2026-11-25T17:18Z/b"),
        ("my-nat_gateway, nat_gateway-2, nat_gateway.log", "my-nat_gateway, nat_gateway-2, nat_gateway.log"),
        ("`internet_gateway` 2026-11-25T17:18:12Zulu", "`internet_gateway` 2026-11-25T17:18:12Zulu"),
    ],
)
def test_sentences_have_labels(text: str, shown: str) -> None:
    """Paths and what proves them are labels, times have no T and Z; names, keys and code stay as they are."""
    assert spoken(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see `flowaudit <x>` & go", "see <code>flowaudit &lt;x&gt;</code> &amp; go"),
        ("a ` b", "a ` b"),
        (
            "of s3://b/<i>/x.gz, y",
            'of <span class="key"><span>s3://</span><span>b/</span><span>&lt;i&gt;/</span><span>x.gz</span></span>, y',
        ),
        ("arn:aws:s3", '<span class="key"><span>arn:</span><span>aws:</span><span>s3</span></span>'),
        (
            "\u202e`\u202e` arn:\u202e",
            '\\u202e<code>\\u202e</code> <span class="key"><span>arn:</span><span>\\u202e</span></span>',
        ),
    ],
)
def test_code_and_keys_are_escaped(text: str, shown: str) -> None:
    """Code is marked, keys and ARNs have a part for each slash and colon, and all of it is text."""
    assert str(FILTERS["code"](text)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(300, "5 min"), (5, "5 s"), (90, "90 s"), (3600, "1 h"), (86400, "24 h"), (5400, "90 min")]
)
def test_intervals_have_their_largest_unit(seconds: int, shown: str) -> None:
    """An interval is a whole number of its largest unit."""
    assert FILTERS["span"](timedelta(seconds=seconds)) == shown
