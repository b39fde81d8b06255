"""Prometheus, Alertmanager and flowaudit's own sinks, each a real process, report a leak until it is over.

A story is a test; its steps are the functions before it, each of which begins where the one before it ended.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests import flowlogs
from tests.alerts.world import Program, World, minutes_ago, world

pytestmark = pytest.mark.slow
LEAK = "internet-egress-bypasses-nat"
PLANTED = {(LEAK, "FlowauditLeakFound", "/page"), ("s3-bypasses-endpoint", "FlowauditFindingHigh", "/ticket")}
"""The detectors of the demo's two leaks, with the alert for findings of their severity, and who is told."""
START = 100
"""Seconds that the demo is given until it has made its VPC and goes on."""
AGO = timedelta(hours=3)
RUNBOOK = "https://github.com/flowaudit/flowaudit/blob/main/docs/runbooks/FlowauditLeakFound.md"


@pytest.fixture
def everything(tmp_path: Path) -> Iterator[World]:
    """The world, with nothing started."""
    with world(tmp_path) as all_of_it:
        yield all_of_it


@pytest.fixture
def running(everything: World) -> World:
    """Everything started, with a minute of silence three hours ago in the lake."""
    everything.land("quiet", flowlogs.nodata(minutes_ago(AGO)))
    everything.start()
    return everything


def leak(interface: str) -> list[str]:
    """Return the records of a leak of 2,500 bytes, three hours ago, within one window of the detector."""
    hour = minutes_ago(AGO) // 60 * 60
    return [flowlogs.egress(hour + minute, interface=interface, size=1250) for minute in (0, 1)]


# --- a leak, from its first notice to its end -------------------------------------------------------------------------


def nothing_leaks(there: World) -> None:
    """The watchdog arrives again and again, and nothing else does."""
    there.until("looked at often", lambda: (there.value("flowaudit_detect_runs_total") or 0) >= 3)
    there.until("heard", lambda: len(there.notices("firing", "FlowauditWatchdog", path="/dead-mans-switch")) >= 2)
    assert there.names() == {"FlowauditWatchdog"}
    assert there.active() == {"FlowauditWatchdog": None}
    assert (there.deliveries(), there.lines()) == ([], [])


def a_leak_is_found(there: World) -> None:
    """Prometheus' alert says how bad it is, what it found, how much and what to do; the sinks tell the same."""
    there.land("leak", *leak("eni-0a"))
    alert = there.until("the alert", lambda: there.notices("firing", "FlowauditLeakFound"))[0]
    labels, words = alert["labels"], alert["annotations"]
    assert (labels["severity"], labels["detector"], labels["instance"]) == ("critical", LEAK, there.address("daemon"))
    assert words["runbook_url"] == RUNBOOK
    assert re.search(r": 1 open finding of .*, 2\.441kiB in all, the oldest since 20", words["description"])
    opened = there.until("the webhook", lambda: there.deliveries("finding.opened"))[0]
    assert (opened.data["detector"], opened.data["severity"], opened.data["bytes"]) == (LEAK, "critical", 2500)
    pushed = there.until("the pushed alert", lambda: there.notices("firing", "FlowauditFinding"))[0]
    assert (pushed["labels"]["finding"], pushed["annotations"]["event"]) == (opened.data["id"], opened.key)
    both = {"FlowauditLeakFound": None, "FlowauditFinding": "flowaudit"}
    assert there.active() == {"FlowauditWatchdog": None} | both


def it_is_muted(there: World) -> None:
    """Both alerts are resolved, and the webhook hears of the mute."""
    told, hooked = there.now()
    finding = there.deliveries("finding.opened")[0].data["id"]
    there.flowaudit("findings", "mute", finding, "--until", "30d", "--reason", "known", "--owner", "ml-platform")
    there.until("the alert ends", lambda: there.notices("resolved", "FlowauditLeakFound", told))
    there.until("the pushed alert ends", lambda: there.notices("resolved", "FlowauditFinding", told))
    (muted,) = there.until("the webhook", lambda: there.deliveries(after=hooked))
    assert (muted.event, muted.data["state"], muted.data["mute"]["owner"]) == ("finding.muted", "muted", "ml-platform")


def it_is_unmuted(there: World) -> None:
    """Both alerts fire again, and the webhook hears of the mute's end."""
    told, hooked = there.now()
    there.flowaudit("findings", "unmute", there.deliveries("finding.opened")[0].data["id"])
    there.until("the alert", lambda: there.notices("firing", "FlowauditLeakFound", told))
    there.until("the pushed alert", lambda: there.notices("firing", "FlowauditFinding", told))
    (unmuted,) = there.until("the webhook", lambda: there.deliveries(after=hooked))
    assert (unmuted.event, unmuted.data["state"]) == ("finding.unmuted", "open")


def it_is_silent(there: World) -> None:
    """Once records show that the interface has been silent, finding and alerts are resolved everywhere.

    They land while the daemon is restarted: a running one remembers for ten minutes what was not covered.
    """
    told, hooked = there.now()
    there.programs["flowaudit"].end()
    there.land("silence", *map(flowlogs.nodata, range(minutes_ago(AGO), minutes_ago(timedelta()))))
    there.programs["flowaudit"].start()
    (resolved,) = there.until("the webhook", lambda: there.deliveries(after=hooked))
    assert (resolved.event, resolved.data["state"]) == ("finding.resolved", "resolved")
    there.until("the alert ends", lambda: there.notices("resolved", "FlowauditLeakFound", told))
    there.until("the pushed alert ends", lambda: there.notices("resolved", "FlowauditFinding", told))
    there.until("Alertmanager forgets them", lambda: there.active() == {"FlowauditWatchdog": None})


def the_file_tells_it_all(there: World) -> None:
    """The OCSF file has it from creation to close, under the keys that the webhook had."""
    lines = there.until("all of it", lambda: there.lines() if len(there.lines()) == 4 else [])
    assert [line["activity_name"] for line in lines] == ["Create", "Update", "Update", "Close"]
    assert [line["metadata"]["uid"] for line in lines] == [each.key for each in there.deliveries()]


def test_a_leak_is_told_until_it_is_over(running: World) -> None:
    """Whoever scrapes, whoever is paged and every sink hears of a leak when it is found, muted, unmuted and over."""
    steps = (nothing_leaks, a_leak_is_found, it_is_muted, it_is_unmuted, it_is_silent, the_file_tells_it_all)
    for step in steps:
        step(running)


# --- what is out of order ---------------------------------------------------------------------------------------------


def a_sink_is_down(there: World) -> None:
    """Where the webhook's receiver is down the other sinks have the event, and an alert names the webhook."""
    there.refuse()
    there.land("leak", *leak("eni-0b"))
    there.until("the file", there.lines)
    there.until("the pushed alert", lambda: there.notices("firing", "FlowauditFinding"))
    down = there.until("the alert", lambda: there.notices("firing", "FlowauditSinkDown", path="/ticket"))
    assert {alert["labels"]["sink"] for alert in down} == {"soc"}
    up = {sink: there.value(f'flowaudit_sink_up{{sink="{sink}"}}') for sink in ("soc", "pushed", "siem")}
    assert up == {"soc": 0, "pushed": 1, "siem": 1}
    assert there.value('flowaudit_sink_pending_events{sink="soc"}') == 1


def the_daemon_is_killed(there: World) -> None:
    """A new daemon tries too; once the receiver is back it delivers, as one event, and the sink is well."""
    daemon = there.programs["flowaudit"]
    assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
    daemon.start()
    there.until("both tried", lambda: daemon.log.read_text().count("sink takes no events") == 2)
    there.until("it is told", lambda: "FlowauditSinkDown" in there.active())
    told, _ = there.now()
    there.receive()
    there.until("the webhook", there.deliveries)
    there.until("the alert ends", lambda: there.notices("resolved", "FlowauditSinkDown", told, "/ticket"))
    there.until("nothing waits", lambda: there.value('flowaudit_sink_pending_events{sink="soc"}') == 0)
    assert {(each.event, each.data["key"]["interface_id"]) for each in there.deliveries()} == {
        ("finding.opened", "eni-0b")
    }
    assert {each.key for each in there.deliveries()} == {line["metadata"]["uid"] for line in there.lines()}


def test_no_event_is_lost(running: World) -> None:
    """An event that a sink could not take, and a killed daemon could not send, arrives under one key."""
    a_sink_is_down(running)
    the_daemon_is_killed(running)


def test_a_daemon_that_is_gone_is_told(running: World) -> None:
    """An alert fires while it does not answer, another while Prometheus has no target; both end."""
    assert running.programs["flowaudit"].end() == 0
    running.until("down", lambda: running.notices("firing", "FlowauditDown"))
    running.programs["flowaudit"].start()
    running.until("up", lambda: running.notices("resolved", "FlowauditDown"))
    running.scrape()
    running.until("absent", lambda: running.notices("firing", "FlowauditAbsent"))
    running.scrape(running.address("daemon"))
    running.until("present", lambda: running.notices("resolved", "FlowauditAbsent"))


# --- the demo ---------------------------------------------------------------------------------------------------------


def test_the_demo_can_be_scraped(everything: World) -> None:
    """The shipped rules, loaded as they are told to, fire for both leaks of a running demo."""
    command = (sys.executable, "-m", "flowaudit", "demo")
    demo = everything.programs["demo"] = Program("demo", command, everything.folder / "demo")
    demo.start()
    served = re.compile(r"http://(\S+)/metrics +http")
    (address,) = everything.until("it goes on", lambda: served.findall(demo.log.read_text()), patience=START)
    everything.watch(address)
    everything.until("both leaks", lambda: {each[:3] for each in found(everything)} == PLANTED)
    assert {instance for *_, instance in found(everything)} == {address}


def found(there: World) -> set[tuple[str, str, str, str]]:
    """Return the alerts of findings that Alertmanager sent: detector, alert, receiver and instance."""
    return {
        (alert["labels"]["detector"], name, path, alert["labels"]["instance"])
        for _, name, path in PLANTED
        for alert in there.notices("firing", name, path=path)
    }
