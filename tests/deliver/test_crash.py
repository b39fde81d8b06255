"""A process that delivers is killed at any moment: every event arrives, under one key, in its finding's order."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from threading import Event as Stop
from threading import Thread

import pytest

from flowaudit import catalogue
from flowaudit.config import shipped
from flowaudit.deliver import Log
from flowaudit.lake import Lake
from tests.deliver.test_deliver import happen
from tests.sinks.harness_http import SECRET, Reply, Request, Server

KILLS, FINDINGS = 10, 15
DELIVERING = """
    import sys
    import time
    from threading import Event
    from flowaudit import catalogue
    from flowaudit.config import shipped
    from flowaudit.config.sinks import WebhookSink
    from flowaudit.deliver import Deliverer, Log, channel
    from flowaudit.lake import Lake
    from flowaudit.sinks.webhook import Webhook

    channel.FIRST_PAUSE = 0.05
    lake, url = sys.argv[1:]
    settings = WebhookSink(
        type="webhook", name="hook", url=url, secrets=[{"env": "SECRET"}], allowed_networks=["127.0.0.0/8"],
        start="beginning",
    )
    log = Log(Lake(lake), catalogue.load([shipped("queries")]))
    deliverer = Deliverer(log, [(Webhook(settings), settings)])
    while True:
        report = deliverer.run(Event())
        if report.pending == {"hook": 0} and report.events == {"hook": 0}:
            print("idle", flush=True)
        time.sleep(0.05)
"""


def receiver(rng: random.Random) -> Server:
    """A receiver that takes its time, and fails now and then."""

    def answer(_: Request) -> Reply:
        time.sleep(0.01)
        return Reply(204 if rng.random() > 0.05 else 503, b"")

    return Server(answer)


@pytest.mark.slow
def test_nothing_is_lost_however_often_it_is_killed(tmp_path: Path) -> None:
    """SIGKILLs at random moments, while events are written and the receiver fails now and then."""
    lake = Lake(str(tmp_path / "lake"))
    lake.create()
    log = Log(lake, catalogue.load([shipped("queries")]))
    script = tmp_path / "deliver.py"
    script.write_text(textwrap.dedent(DELIVERING))
    environ = os.environ | {"SECRET": SECRET, "PYTHONPATH": str(Path(__file__).parents[2])}
    stop, rng, written = Stop(), random.Random(11), []

    def write() -> None:
        for seq in range(1, 10_000):
            if stop.wait(0.3):
                return
            kind = ["opened", "resolved", "reopened", "resolved"][seq % 4 - 1] if seq > 1 else "opened"
            ids = [f"{n:012x}-{seq}" for n in range(FINDINGS)]
            happen(log, *[f"{id}:{kind}" for id in ids])
            written.extend(ids)

    with receiver(random.Random(7)) as server:
        writer = Thread(target=write)
        writer.start()
        command = [sys.executable, str(script), lake.uri, server.url]
        for _ in range(KILLS):
            victim = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
            time.sleep(rng.uniform(0.6, 2.2))
            victim.send_signal(signal.SIGKILL)
            victim.wait()
        stop.set()
        writer.join()
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "idle\n"
        process.kill()
        process.communicate()

    arrived = [request.headers["webhook-id"] for request in server.accepted]
    assert set(arrived) == set(written)
    assert log.dead_letters(None) == []
    first = list(dict.fromkeys(arrived))
    for n in range(FINDINGS):
        own = [id for id in first if id.startswith(f"{n:012x}-")]
        assert own == sorted(own, key=lambda id: int(id.rpartition("-")[2]))
    again = len(arrived) - len(first)
    assert again <= 600 * (KILLS + 1)
    print(f"{len(written)} events, {again} sent again by {KILLS} kills")
