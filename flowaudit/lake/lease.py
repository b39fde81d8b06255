"""The lease of a lake: one daemon leads. Its generation is a fencing token that each of its commits carries.

The lease is a JSON document beside the tables: in a folder it is replaced under a lock of the file system, in S3 by
conditional writes (S3 User Guide, "Conditional requests"). A holder whose lease has run out, be it that it was paused,
stops writing before anybody else may lead, as far as its clock can tell; whatever its clock says, a commit of an older
generation is refused where a newer one has committed.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from flowaudit.errors import LakeError, LeaseLost, LeaseTaken

FILE = "_lease.json"
LIFE = 30.0
"""Seconds that a lease holds from its last renewal."""
MARGIN = 1 / 6
"""Part of its life before its end in which the holder writes no more: clocks do not run alike."""
TRIES = 3
"""Tries to renew where S3 says that another write is under way, and that one does not win."""


@dataclass(frozen=True, slots=True)
class Holder:
    """What the document says: who leads, since which generation, until when (seconds since 1970 by the store's clock).

    `id` is of one process: owners are host and process id, which come again.
    """

    generation: int
    owner: str
    expires_at: float
    id: str


@dataclass(frozen=True, slots=True)
class Read:
    """The document as it was read: its version ("" where there is none), and the time by the store's clock."""

    holder: Holder | None
    version: str
    now: float


class Store(Protocol):
    """Where the document is."""

    def read(self) -> Read:
        """Return the document; raises LakeError."""

    def write(self, holder: Holder, version: str) -> bool:
        """Replace the version that was read; return False where another write was first; raises LakeError."""

    def close(self) -> None:
        """Let go of what is kept open."""


class Lease:
    """The right to lead, taken from a store. One thread at a time."""

    def __init__(
        self,
        store: Store,
        owner: str = "",
        life: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Hold nothing yet. `clock` is monotonic, and goes on while the process is stopped."""
        self._store, self._clock = store, clock
        self.life = LIFE if life is None else life
        self.owner = owner or f"{socket.gethostname()}:{os.getpid()}"
        self._id = uuid4().hex
        self.generation = 0
        self._until = -math.inf

    @property
    def is_held(self) -> bool:
        """True if it holds, by this process's own clock."""
        return self._clock() < self._until - self.life * MARGIN

    def acquire(self, committed: int = 0) -> None:
        """Take the lease if nobody has it; raises LeaseTaken that names who has it, and LakeError.

        The generation is above that of the lease before, and above `committed`, the newest that the tables have.
        """
        begun = self._clock()
        found = self._store.read()
        if found.holder and found.holder.expires_at > found.now:
            raise LeaseTaken(found.holder.owner, found.holder.expires_at - found.now, found.version)
        generation = max(found.holder.generation if found.holder else 0, committed) + 1
        if not self._write(found, generation, begun):
            found = self._store.read()
            owner = found.holder.owner if found.holder else "another daemon"
            raise LeaseTaken(owner, self.life, found.version)

    def renew(self) -> None:
        """Hold it for another life; raises LeaseLost where another daemon has it, LakeError where that is unknown."""
        for _ in range(TRIES):
            begun = self._clock()
            found = self._store.read()
            if found.holder is None or found.holder.id != self._id:
                self._until = -math.inf
                who = found.holder.owner if found.holder else "another daemon"
                raise LeaseLost(f"{who} leads now: it took over while {self.owner} did not renew its lease")
            if self._write(found, self.generation, begun):
                return
        raise LakeError("the lease cannot be renewed: other writes of it do not end")

    def release(self) -> None:
        """Let another daemon take it at once; does nothing where it is not held."""
        if self.is_held:
            found = self._store.read()
            if found.holder and found.holder.id == self._id:
                self._store.write(replace(found.holder, expires_at=found.now), found.version)
        self._until = -math.inf
        self._store.close()

    def check(self) -> int:
        """Return the generation, for a commit to carry; raises LeaseLost where the lease does not hold any more."""
        if not self.is_held:
            raise LeaseLost(f"{self.owner} does not lead at present: its lease has run out")
        return self.generation

    def _write(self, found: Read, generation: int, begun: float) -> bool:
        """Replace what was found, and return whether that is what is there now; the life begins before the read.

        A write whose answer is lost is tried again by the client, and then refused for its own first try's sake.
        """
        wanted = Holder(generation, self.owner, found.now + self.life, self._id)
        if not self._store.write(wanted, found.version) and self._store.read().holder != wanted:
            return False
        self.generation, self._until = generation, begun + self.life
        return True


class FolderStore:
    """The document in a folder of a local file system.

    Writers are kept apart by a lock beside it. Another lock is held for as long as the process of the holder lives:
    where it is free the holder is dead, and its lease is over. A process that is stopped keeps it.
    """

    def __init__(self, folder: Path) -> None:
        self._file, self._lock, self._life = (folder / f"{FILE}{end}" for end in ("", ".lock", ".alive"))
        self._alive: int | None = None

    def read(self) -> Read:
        """Return the document; raises LakeError."""
        with self._explained():
            try:
                text = self._file.read_text("utf-8")
            except FileNotFoundError:
                return Read(None, "", time.time())
            document = parsed(text, str(self._file))
            holder = holder_of(document)
            if self._alive is None and self._is_free():
                holder = replace(holder, expires_at=0.0)
            return Read(holder, str(document.get("version")), time.time())

    def write(self, holder: Holder, version: str) -> bool:
        """Replace the version that was read; return False where another write was first; raises LakeError."""
        with self._explained(), self._alone():
            if self.read().version != version:
                return False
            fresh = uuid4().hex
            new = self._file.with_name(f"{FILE}.{fresh}")
            try:
                with new.open("w", encoding="utf-8") as stream:
                    stream.write(json.dumps({**asdict(holder), "version": fresh}))
                    stream.flush()
                    os.fsync(stream.fileno())
                new.replace(self._file)
            finally:
                new.unlink(missing_ok=True)
            if self._alive is None:
                self._alive = os.open(self._life, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                fcntl.flock(self._alive, fcntl.LOCK_SH)
            return True

    def close(self) -> None:
        """Release the lock of the living."""
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None

    def _is_free(self) -> bool:
        """Return whether no process holds the lock of the living."""
        with self._life.open("w") as probe:
            try:
                fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LakeError(f"the lease {self._file} cannot be read or written: {error.strerror}") from error


def parsed(text: str, where: str) -> dict[str, Any]:
    """Return the document that a text is; raises LakeError."""
    try:
        document: dict[str, Any] = json.loads(text)
        holder_of(document)
    except (ValueError, KeyError, TypeError) as error:
        raise LakeError(f"{where} is no lease: remove it, if no daemon runs on this lake") from error
    return document


def holder_of(document: dict[str, Any]) -> Holder:
    """Return the holder of a document."""
    return Holder(
        int(document["generation"]), str(document["owner"]), float(document["expires_at"]), str(document["id"])
    )
