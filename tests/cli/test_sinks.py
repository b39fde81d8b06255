"""`flowaudit sinks`: what is configured, what waits, what was refused, and sending it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import flowlogs
from tests.cli.conftest import Run
from tests.sinks.harness_http import SECRET, Reply, Server


class Receiver(Server):
    """A webhook's receiver that answers with `status`."""

    def __init__(self) -> None:
        super().__init__(lambda _: Reply(self.status, b""))
        self.status = 200

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What it has accepted."""
        return [request.json for request in self.accepted]

    @property
    def ids(self) -> list[str]:
        """The idempotency keys of that."""
        return [request.headers["webhook-id"] for request in self.accepted]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that accepts everything."""
    with Receiver() as one:
        yield one


@pytest.fixture
def configured(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with a source that holds a leak, a webhook and a file."""
    flowlogs.write(tmp_path / "logs" / "one.log.gz", flowlogs.egress(0), flowlogs.egress(1))
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    file = tmp_path / "flowaudit.toml"
    file.write_text(f"""
        [lake]
        uri = "{tmp_path / "lake"}"
        [[sources]]
        type = "local"
        uri = "{tmp_path / "logs"}"
        [[sinks]]
        name = "hook"
        type = "webhook"
        url = "{receiver.url}/t0psecretpath"
        secrets = [{{ env = "HOOK_SECRET" }}]
        allowed_networks = ["127.0.0.0/8"]
        [[sinks]]
        name = "archive"
        type = "ocsf"
        uri = "{tmp_path / "events.ndjson"}"
    """)
    return file


@pytest.fixture
def sinks(run: Run, configured: Path) -> Run:
    """Run a verb of `flowaudit sinks` with the configuration."""
    return lambda *words: run("--config", str(configured), "sinks", *words)


def test_the_list_names_each_sink_and_no_secret(sinks: Run) -> None:
    """Name, type and target are shown; the path of a webhook's URL, which may be a secret, is not."""
    result = sinks("list")
    assert result.code == 0
    assert "hook" in result.out
    assert "http://127.0.0.1:" in result.out
    assert "t0psecretpath" not in result.out + result.err
    assert SECRET not in result.out + result.err


@pytest.mark.parametrize("format", ["json", "ndjson", "csv", "markdown"])
def test_the_list_comes_in_every_format(sinks: Run, format: str) -> None:
    """Each format holds both sinks."""
    text = sinks("list", "--format", format).out
    assert "hook" in text
    assert "archive" in text


def test_without_sinks_it_says_how_to_configure_one(run: Run, tmp_path: Path) -> None:
    """Nothing configured is no failure, and the message leads on."""
    result = run("--lake", str(tmp_path / "lake"), "sinks", "list")
    assert (result.code, result.out) == (0, "")
    assert "no [[sinks]] are configured" in result.err


def test_a_test_reaches_the_receiver(sinks: Run, receiver: Receiver) -> None:
    """A finding that does not exist is opened and resolved there; no lake is needed."""
    result = sinks("test", "hook")
    assert result.code == 0, result.err
    assert [body["type"] for body in receiver.bodies] == ["finding.opened", "finding.resolved"]
    assert {body["data"]["id"] for body in receiver.bodies} == {"0" * 12}


@pytest.mark.parametrize(("status", "word"), [(400, "Bad Request"), (500, "500"), (301, "301")])
def test_a_test_that_is_not_accepted_fails(sinks: Run, receiver: Receiver, status: int, word: str) -> None:
    """The answer of the receiver is the message, the exit code 3, and no secret is in it."""
    receiver.status = status
    result = sinks("test", "hook")
    assert result.code == 3
    assert word in result.err
    assert "t0psecretpath" not in result.out + result.err


def test_a_missing_secret_is_named(sinks: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that is not set is in the message."""
    monkeypatch.delenv("HOOK_SECRET")
    result = sinks("test", "hook")
    assert result.code == 2
    assert "HOOK_SECRET is not set" in result.err


def test_a_pattern_that_matches_no_detector_is_a_warning(run: Run, configured: Path) -> None:
    """A typo in `detectors` would drop every event without a word."""
    text = configured.read_text().replace('type = "ocsf"', 'type = "ocsf"\ndetectors = ["s3-*", "intrnet-*"]')
    configured.write_text(text)
    result = run("--config", str(configured), "check")
    assert result.code == 0
    assert "sinks[1].detectors: 'intrnet-*' matches no enabled detector" in result.err
    assert "'s3-*'" not in result.err


@pytest.mark.parametrize("words", [("test", "hok"), ("failed", "hok"), ("replay", "hok")])
def test_a_sink_that_is_not_there_is_an_error(sinks: Run, words: tuple[str, ...]) -> None:
    """The nearest name is suggested."""
    result = sinks(*words)
    assert result.code == 2
    assert "no sink 'hok': did you mean hook?" in result.err


@pytest.fixture
def refused(run: Run, configured: Path, receiver: Receiver) -> None:
    """One cycle, in which the webhook refuses the event and the file takes it."""
    receiver.status = 422
    result = run("--config", str(configured), "run", "--once")
    assert result.code == 0, result.err


def test_what_was_refused_is_listed_and_sent_again(
    sinks: Run, receiver: Receiver, refused: None, tmp_path: Path
) -> None:
    """A dead letter has its reason; replayed under the same id and accepted, it is a dead letter no more."""
    (dead,) = sinks("failed", "--format", "json").json
    assert (dead["sink"], dead["event"], dead["detector"]) == ("hook", "opened", "internet-egress-bypasses-nat")
    assert "422" in dead["reason"]
    assert dead["event_id"] in sinks("failed").out
    assert len((tmp_path / "events.ndjson").read_text().splitlines()) == 1
    listed = {each["name"]: each for each in sinks("list", "--format", "json").json}
    assert [(listed[name]["pending"], listed[name]["dead_letters"]) for name in ("hook", "archive")] == [(0, 1), (0, 0)]
    receiver.status = 200
    again = sinks("replay", "hook", dead["event_id"])
    assert (again.code, receiver.ids) == (0, [dead["event_id"]])
    assert "no dead letters" in sinks("failed").err
    assert "nothing to send" in sinks("replay", "hook").err


def test_what_is_refused_again_stays(sinks: Run, refused: None) -> None:
    """The exit code is 3, the reason is shown, and the dead letter stays."""
    again = sinks("replay", "hook")
    assert again.code == 3
    assert "422" in again.err
    assert len(sinks("failed", "hook", "--format", "json").json) == 1


def test_a_dead_letter_that_is_none_is_an_error(sinks: Run, refused: None) -> None:
    """An id that is no dead letter of the sink sends nothing."""
    result = sinks("replay", "hook", "0123456789ab-7")
    assert result.code == 2
    assert "no dead letter '0123456789ab-7' of hook" in result.err


def test_everything_since_a_time_is_sent_again(sinks: Run, receiver: Receiver, refused: None) -> None:
    """`--since` sends all events from then on, dead letters or not; ids beside it are refused."""
    receiver.status = 200
    assert sinks("replay", "hook", "--since", "-1h").code == 0
    assert len(receiver.ids) == 1
    assert sinks("replay", "hook", "x", "--since", "-1h").code == 2
    assert "nothing to send" in sinks("replay", "hook", "--since", "now").err


def test_a_lake_is_needed_for_dead_letters(sinks: Run) -> None:
    """Before anything was collected the message says what to run."""
    result = sinks("failed")
    assert result.code == 3
    assert "flowaudit collect" in result.err
