"""The status is green only where nothing is open and nothing limits what could be seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from flowaudit.model import Capability, Visibility
from flowaudit.states import JobStatus
from flowaudit.web.verdict import Covered, Facts, State, verdict

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALL = Covered(share=1.0, judged=1440, pending=3, hours=24.0, inventoried=True, workloads=0, line="coverage: 100 %")
RUN = JobStatus(
    "collect", MINUTE, started=NOW - MINUTE, ended=NOW - MINUTE, succeeded=NOW - MINUTE, seconds=1.0, error=""
)
SEES = Capability("s3-bypasses-endpoint", Visibility.FULL)
CLEAR = Facts(now=NOW, open={}, newest=NOW - 5 * MINUTE, covered=ALL, capabilities=[SEES], jobs=[RUN])
"""Everything works, all could be seen, and nothing is open."""
WHOLE = "No finding is open; flow logs cover 100 % of 1,440 interface-minutes in 24 h; not everything is known: "
LIMITS = {
    "nothing was collected": (
        replace(CLEAR, newest=None),
        WHOLE + "no record was collected yet.",
    ),
    "the newest record is old": (
        replace(CLEAR, newest=NOW - 3 * 60 * MINUTE),
        WHOLE + "the newest record is from 3h ago.",
    ),
    "coverage is below 100 %": (
        replace(CLEAR, covered=replace(ALL, share=0.99999)),
        "No finding is open; not everything is known: flow logs cover only 99.9 % of 1,440 interface-minutes in 24 h.",
    ),
    "no minute could be judged": (
        replace(CLEAR, covered=replace(ALL, share=None, judged=0)),
        "No finding is open; not everything is known: coverage not known.",
    ),
    "there is no interface": (
        replace(CLEAR, covered=replace(ALL, share=None, judged=0, pending=0)),
        "No finding is open; not everything is known: coverage not known.",
    ),
    "coverage failed": (
        replace(CLEAR, covered=None, unknown={"coverage": "stopped after 20 s"}),
        "No finding is open; not everything is known: coverage not known.",
    ),
    "there is no inventory": (
        replace(CLEAR, covered=replace(ALL, inventoried=False)),
        WHOLE + "no inventory.",
    ),
    "a workload sends past flow logs": (
        replace(CLEAR, covered=replace(ALL, workloads=1)),
        WHOLE + "1 workload with unrecorded paths.",
    ),
    "a detector is blind": (
        replace(CLEAR, capabilities=[SEES, Capability("skipdata", Visibility.NONE)]),
        WHOLE + "1 detector is blind.",
    ),
    "detectors are partially blind": (
        replace(CLEAR, capabilities=[replace(SEES, visibility=Visibility.PARTIAL)] * 2),
        WHOLE + "2 detectors are partially blind.",
    ),
    "visibility is not known": (
        replace(CLEAR, capabilities=None, unknown={"detectors": "the lake cannot be read"}),
        WHOLE + "detectors not known.",
    ),
    "a job has a problem": (
        replace(CLEAR, jobs=[replace(RUN, error="source s3://logs/: access denied")]),
        WHOLE + "the last collect run has a problem.",
    ),
    "a job had a warning": (
        replace(CLEAR, jobs=[replace(RUN, error="list_workforces: no answer", is_warning=True)]),
        WHOLE + "the last collect run had a warning.",
    ),
    "no job ever ended": (
        replace(CLEAR, jobs=[JobStatus("collect", MINUTE), JobStatus("detect", MINUTE)]),
        WHOLE + "2 jobs have not completed a run.",
    ),
    "a job never ended": (
        replace(CLEAR, jobs=[JobStatus("detect", MINUTE, is_running=True, started=NOW)]),
        WHOLE + "no detect run is complete.",
    ),
    "a job hangs": (
        replace(CLEAR, jobs=[replace(RUN, succeeded=NOW - 11 * MINUTE)]),
        WHOLE + "collect is late.",
    ),
    "a query file is left out": (
        replace(CLEAR, problems=1),
        WHOLE + "1 query file left out.",
    ),
    "a log object cannot be read": (
        replace(CLEAR, failed_objects=2),
        WHOLE + "2 log objects unread.",
    ),
}


def test_nothing_found_is_said_with_its_coverage() -> None:
    """Green needs no open finding, whole coverage, new records, detectors that see, and jobs that succeed."""
    found = verdict(CLEAR)
    assert (found.state, found.reasons) == (State.CLEAR, ())
    assert found.sentence == "No finding is open; flow logs cover 100 % of 1,440 interface-minutes in 24 h."


@pytest.mark.parametrize(("facts", "sentence"), LIMITS.values(), ids=LIMITS)
def test_without_open_findings_what_limits_the_answer_is_said(facts: Facts, sentence: str) -> None:
    """Whatever keeps findings from being found is in the sentence, and the state is not green."""
    found = verdict(facts)
    assert (found.state, found.sentence) == (State.UNKNOWN, sentence)
    assert found.reasons


@pytest.mark.parametrize("facts", [facts for facts, _ in LIMITS.values()], ids=list(LIMITS))
def test_with_open_findings_there_may_be_more(facts: Facts) -> None:
    """What limits the answer is said beside open findings too."""
    found = verdict(replace(facts, open={"critical": 1}))
    assert found.state is State.LEAK
    assert "; there may be more: " in found.sentence


@pytest.mark.parametrize(
    ("counts", "state", "sentence"),
    [
        ({"critical": 1}, State.LEAK, "1 leak is open"),
        ({"critical": 2, "low": 1}, State.LEAK, "2 leaks and 1 other finding are open"),
        ({"high": 1}, State.FINDINGS, "1 finding is open (1 high), no leak"),
        ({"low": 1, "high": 2}, State.FINDINGS, "3 findings are open (2 high, 1 low), no leak"),
        ({"critical": 0}, State.CLEAR, "No finding is open"),
    ],
)
def test_open_findings(counts: dict[str, int], state: State, sentence: str) -> None:
    """A critical finding is a leak; others are counted by severity, worst first."""
    found = verdict(replace(CLEAR, open=counts))
    assert found.state is state
    assert found.sentence == f"{sentence}; flow logs cover 100 % of 1,440 interface-minutes in 24 h."


def test_muted_findings_are_not_kept_quiet() -> None:
    """That nothing is open is said with how many are muted."""
    found = verdict(replace(CLEAR, muted=3))
    assert found.sentence.startswith("No finding is open (3 muted); ")


def test_findings_that_cannot_be_read_are_no_findings_at_all() -> None:
    """Where findings cannot be read nothing is claimed of them."""
    found = verdict(replace(CLEAR, open=None, unknown={"findings": "the lake at s3://lake cannot be read: Timeout"}))
    assert found.state is State.UNKNOWN
    assert found.sentence.startswith("The findings cannot be read; ")
    assert found.reasons[0].text == "Findings not known: the lake at s3://lake cannot be read: Timeout"


def test_a_sentence_names_a_few_reasons_and_counts_the_others() -> None:
    """With more than four reasons three are named; the list beside the sentence has all."""
    found = verdict(replace(CLEAR, newest=None, problems=1, failed_objects=1, jobs=[replace(RUN, error="no")] * 3))
    assert found.sentence.endswith(
        ": no record was collected yet, the last collect run has a problem, the last collect run has a problem "
        "and 3 more reasons."
    )
    assert len(found.reasons) == 6


def test_coverage_of_minutes_is_said_in_minutes() -> None:
    """A span below an hour is not rounded to none."""
    assert "in 10 min." in verdict(replace(CLEAR, covered=replace(ALL, hours=1 / 6))).sentence


def test_a_job_with_a_long_interval_is_not_late_between_its_runs() -> None:
    """A job is late after five of its intervals."""
    hourly = replace(RUN, every=timedelta(hours=1), succeeded=NOW - timedelta(hours=4))
    assert verdict(replace(CLEAR, jobs=[hourly])).state is State.CLEAR
