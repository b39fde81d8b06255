"""The state of the daemon as one JSON document: from its memory alone, so that it answers while the lake does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from flowaudit import __version__
from flowaudit.app import App
from flowaudit.formats import plain
from flowaudit.model import CoverageReport, DeliverReport, DetectReport
from flowaudit.states import DaemonStatus, JobStatus, Part

Row = dict[str, Any]


def document(app: App, status: DaemonStatus) -> Row:
    """Return the document, in values that JSON has."""
    jobs = {job.name: job for job in status.jobs}
    body = {
        "version": __version__,
        "since": status.since,
        "healthy": not status.unhealthy,
        "unhealthy": status.unhealthy,
        "leader": {
            "owner": status.leader.owner,
            "generation": status.leader.generation,
            "leads": status.leader.leads,
            "standby": status.leader.is_standby,
        },
        "config": {"loaded": status.config.loaded, "error": status.config.error},
        "jobs": [_job(job) for job in status.jobs],
        "sources": list(_sources(app, _parts(jobs, "collect"))),
        "sinks": list(_sinks(app, _report(jobs, "deliver", DeliverReport()))),
        "detectors": list(_detectors(app, jobs)),
    }
    return {name: plain(value) for name, value in body.items()}


def _job(job: JobStatus) -> Row:
    return {
        "name": job.name,
        "every_seconds": job.every.total_seconds(),
        "running_since": job.started if job.is_running else None,
        "last_end": job.ended,
        "last_success": job.succeeded,
        "next_run": job.next_run,
        "seconds": job.seconds,
        "error": job.error,
        "late": job.late,
    }


def _sources(app: App, parts: Mapping[str, Part]) -> Iterator[Row]:
    for each in app.config.sources:
        part = parts.get(each.uri, Part())
        yield {
            "uri": each.uri,
            "last_run": part.ran,
            "last_success": part.succeeded,
            "error": part.error,
            "newest_record": part.newest,
        }


def _sinks(app: App, report: DeliverReport) -> Iterator[Row]:
    for _, settings in app.sinks:
        name = settings.name
        last = report.last_success.get(name)
        yield {
            "name": name,
            "up": bool(report.up.get(name, 1)),
            "pending": report.pending.get(name),
            "last_success": datetime.fromtimestamp(last, UTC) if last else None,
            "error": report.errors.get(name, ""),
        }


def _detectors(app: App, jobs: Mapping[str, JobStatus]) -> Iterator[Row]:
    parts = _parts(jobs, "detect")
    visible = {
        id: word for (id, word), is_so in _report(jobs, "coverage", CoverageReport()).visibility.items() if is_so
    }
    found: Counter[str] = Counter()
    for (id, _), number in _report(jobs, "detect", DetectReport()).open.items():
        found[id] += number
    for id in sorted(app.catalogue.detectors):
        part = parts.get(id, Part())
        yield {
            "id": id,
            "visibility": visible.get(id),
            "last_run": part.ran,
            "last_success": part.succeeded,
            "error": part.error,
            "open_findings": found[id] if jobs["detect"].ended else None,
        }


def _parts(jobs: Mapping[str, JobStatus], name: str) -> Mapping[str, Part]:
    return jobs[name].parts if name in jobs else {}


def _report(jobs: Mapping[str, JobStatus], name: str, before: Any) -> Any:  # noqa: ANN401  a stage's report
    report = jobs[name].report if name in jobs else None
    return before if report is None else report
