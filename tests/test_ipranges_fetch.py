"""AWS's address ranges: how they come, and how they do not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from flowaudit.errors import ConfigError, IpRangesError
from flowaudit.ipranges import Limits, _NoWayDown, fetch
from tests.mirror import Mirror, body, document, redirect, running

DATE = datetime(2026, 5, 4, tzinfo=UTC)
QUICK = Limits(silence=5, pause=0)


@pytest.fixture(scope="module")
def mirror() -> Iterator[Mirror]:
    """A server that answers what a test tells it to."""
    with running() as server:
        yield server


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the loopback without the proxy of whoever runs the tests."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_a_mirror_is_read(mirror: Mirror) -> None:
    """The body of an address is returned as it is, with and without a length."""
    content = document(DATE)
    assert fetch(mirror.answer("/a", body(content)), QUICK) == content
    assert fetch(mirror.answer("/b", body(content, Content_Length="")), QUICK) == content


def test_a_file_is_read(tmp_path: Path) -> None:
    """A path is a file."""
    (tmp_path / "ranges.json").write_bytes(b"{}")
    assert fetch(str(tmp_path / "ranges.json")) == b"{}"


@pytest.mark.parametrize("name", ["none.json", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    """A missing file and a folder are told of by name."""
    with pytest.raises(IpRangesError, match=r"cannot be read: .*--from takes a file or a URL"):
        fetch(str(tmp_path / name))


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    """A file beyond the limit is not read whole."""
    (tmp_path / "large.json").write_bytes(bytes(11))
    with pytest.raises(IpRangesError, match="more than 10 bytes"):
        fetch(str(tmp_path / "large.json"), Limits(size=10))


@pytest.mark.parametrize(
    "address",
    [
        "://x",
        "s3://bucket/x",
        "file:///etc/hosts",
        "ftp://host/x",
        "http://",
        "http://[::1/x",
        "http://h:x/",
        "http://u:p@h/",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    """Only http and https addresses are asked, and none with a password in it; the message does not repeat it."""
    with pytest.raises(ConfigError, match="--from takes a file, or an address like") as failed:
        fetch(address, QUICK)
    assert address not in str(failed.value)


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_refusal_is_final(mirror: Mirror, code: int) -> None:
    """What will not change is asked once, and the message tells the way round; a query is not repeated in it."""
    mirror.asked.clear()
    url = mirror.answer("/refused", body(b"no", code))
    with pytest.raises(IpRangesError) as failed:
        fetch(f"{url}?token=secret", QUICK)
    assert str(failed.value).startswith(f"{url} cannot be fetched: HTTP {code}, ")
    assert str(failed.value).endswith("; fetch the file where that is possible, and give it by --from FILE")
    assert len(mirror.asked) == 1


def test_what_may_pass_is_tried_again(mirror: Mirror) -> None:
    """A server that is ailing, or a connection that ends too soon, gets another try, and a third."""
    mirror.asked.clear()
    whole = document(DATE)
    truncated = body(whole[:100], Content_Length=str(len(whole)))
    assert fetch(mirror.answer("/ailing", body(b"", 503), truncated, body(whole)), QUICK) == whole
    assert len(mirror.asked) == 3


def test_three_tries_are_all(mirror: Mirror) -> None:
    """After the third try the last reason is told."""
    mirror.asked.clear()
    url = mirror.answer("/broken", body(b"", 500), body(b"", 502), body(b"12345", Content_Length="1234"))
    with pytest.raises(IpRangesError, match=r"the connection ended after 5 of 1,234 bytes \(3 tries\)"):
        fetch(url, QUICK)
    assert len(mirror.asked) == 3


def test_a_truncated_chunk_is_noticed(mirror: Mirror) -> None:
    """A body in chunks that ends in the middle of one is not whole."""
    url = mirror.answer("/chunks", body(b"ff\r\n{}", Content_Length="", Transfer_Encoding="chunked"))
    with pytest.raises(IpRangesError, match=r"cannot be fetched: .*IncompleteRead"):
        fetch(url, Limits(tries=1))


def test_a_silent_server_is_given_up(mirror: Mirror) -> None:
    """Where nothing comes within the limit, the try is over."""
    with pytest.raises(IpRangesError, match=r"timed out \(2 tries\)"):
        fetch(mirror.answer("/silent", mirror.silence), Limits(silence=0.05, tries=2, pause=0))


def test_a_slow_server_is_given_up(mirror: Mirror) -> None:
    """A body that keeps coming, but is not whole in time, is given up too."""
    with pytest.raises(IpRangesError, match="it is not whole after 0 s"):
        fetch(mirror.answer("/slow", body(b"{}")), Limits(seconds=0, tries=1))


def test_nobody_there() -> None:
    """A port that nobody listens on is told of."""
    with pytest.raises(IpRangesError, match="Connection refused"):
        fetch("http://127.0.0.1:1/ip-ranges.json", Limits(tries=1))


def test_a_redirect_is_followed(mirror: Mirror) -> None:
    """A redirect within the scheme is followed."""
    url = mirror.answer("/moved", redirect(mirror.answer("/there", body(b"{}"))))
    assert fetch(url, QUICK) == b"{}"


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/hosts"])
def test_a_redirect_elsewhere_is_not_followed(mirror: Mirror, target: str) -> None:
    """A redirect to a scheme other than http and https is refused, at once."""
    mirror.asked.clear()
    with pytest.raises(IpRangesError, match="cannot be fetched: HTTP 302, "):
        fetch(mirror.answer("/elsewhere", redirect(target)), QUICK)
    assert mirror.asked == ["/elsewhere"]


def test_https_is_never_left() -> None:
    """A redirect from https to plain http is refused."""
    with pytest.raises(HTTPError, match="it leads from https to another scheme"):
        _NoWayDown().redirect_request(
            Request("https://mirror.example/x"), BytesIO(), 302, "", HTTPMessage(), "http://mirror.example/x"
        )


def test_redirects_in_a_circle_end(mirror: Mirror) -> None:
    """A redirect to itself is not followed for ever."""
    with pytest.raises(IpRangesError, match=r"HTTP 302, .*infinite loop"):
        fetch(mirror.answer("/circle", redirect(f"{mirror.address}/circle")), QUICK)


@pytest.mark.parametrize("length", ["11", ""])
def test_a_large_body_is_refused(mirror: Mirror, length: str) -> None:
    """A body beyond the limit is not read whole, whether its length is told before or not."""
    url = mirror.answer("/large", body(bytes(11), Content_Length=length))
    with pytest.raises(IpRangesError, match=r"more than 10 bytes: AWS's ip-ranges\.json has some two million"):
        fetch(url, Limits(size=10))
