"""One daemon leads: it holds the lease of the lake, and a thread of its own renews it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from flowaudit.errors import LakeError, LeaseLost, LeaseTaken
from flowaudit.lake import Lake, Lease
from flowaudit.model import LeaderReport
from flowaudit.states import LeaderStatus

POLL = 2.0
"""Seconds between tries to take a lease that another daemon holds."""
RENEWALS = 3
"""Renewals in a life of the lease."""

log = structlog.stdlib.get_logger("flowaudit.daemon")


class Leader:
    """The lease of a lake: taken, renewed, and released at the end."""

    def __init__(self, lake: Lake, lease: Lease, record: Callable[[LeaderReport], None]) -> None:
        """Hold nothing yet; `record` gets each change."""
        self._lake, self._lease, self._record = lake, lease, record
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._waits_for = ""
        self.is_waiting = True
        """True until this daemon leads."""

    def take(self, *, standby: bool, wait: Callable[[float], bool]) -> bool:
        """Take the lease and return True; False where `wait(seconds)` says that the daemon is to stop.

        Without `standby` it is waited for only as long as its holder may be dead: raises LeaseTaken once that one
        renews it. Raises LakeError where the lake cannot be read; in standby that is logged, and tried again.
        """
        seen, until = "", time.monotonic() + self._lease.life + POLL
        while True:
            try:
                self._lake.lead(self._lease)
            except LeaseTaken as taken:
                is_alive = bool(seen) and taken.version != seen
                if not standby and (is_alive or time.monotonic() > until):
                    raise
                self._waiting(taken.owner)
                seen = taken.version
            except LakeError as error:
                if not standby:
                    raise
                log.warning("lease unknown", error=str(error))
            else:
                self.is_waiting = False
                self._record(LeaderReport(is_leader=True, generation=self._lease.generation))
                log.info("leads", owner=self._lease.owner, generation=self._lease.generation)
                return True
            if wait(POLL):
                return False

    def use(self, lake: Lake) -> None:
        """Lead through another object for the same lake from now on."""
        lake.lease, self._lake = self._lake.lease, lake

    def unready(self) -> str:
        """Return why this daemon does not write, "" if it does."""
        if self.is_waiting:
            return f"standby: {self._waits_for} leads" if self._waits_for else "waits for the lease of the lake"
        return "" if self._lease.is_held else "the lease of the lake is not renewed: nothing is written"

    def status(self) -> LeaderStatus:
        """Return who leads."""
        owner = self._waits_for if self.is_waiting else self._lease.owner
        return LeaderStatus(owner, self._lease.generation, self._lease.is_held, self.is_waiting)

    def keep(self, lost: Callable[[], None]) -> None:
        """Renew the lease from now on; `lost` is called once another daemon has taken it."""
        self._thread = threading.Thread(target=self._renew, args=[lost], name="lease", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Renew it no more, and let another daemon take it at once."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(self._lease.life)
        try:
            self._lease.release()
        except LakeError as error:
            log.warning("lease not released", error=str(error))
        self._record(LeaderReport(generation=self._lease.generation))

    def _waiting(self, owner: str) -> None:
        if self._waits_for != owner:
            log.info("waits for the lease of another daemon", owner=owner)
        self._waits_for = owner

    def _renew(self, lost: Callable[[], None]) -> None:
        while not self._over.wait(self._lease.life / RENEWALS):
            try:
                self._lease.renew()
            except LeaseLost as error:
                log.error("lease lost", error=str(error))  # noqa: TRY400  the message says all
                self._record(LeaderReport(generation=self._lease.generation))
                lost()
                return
            except LakeError as error:  # until it runs out, and after that: nothing is written without it
                log.warning("lease not renewed", error=str(error))
            self._record(LeaderReport(is_leader=self._lease.is_held, generation=self._lease.generation))
