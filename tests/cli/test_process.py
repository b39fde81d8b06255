"""The program as a process of its own: signals, pipes, terminals, completion."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import HEADER, record

PROGRAM = [sys.executable, "-m", "flowaudit"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _findable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@dataclass
class Terminal:
    """A program that takes what it runs on for a terminal of 80 columns."""

    process: subprocess.Popen[bytes]
    end: int
    text: str = ""

    def until(self, pattern: str) -> None:
        """Read until the program has printed this."""
        while not re.search(pattern, self.text):
            self.text += os.read(self.end, 4096).decode(errors="replace")

    def rest(self) -> str:
        """Read all that it prints until it ends."""
        try:
            while read := os.read(self.end, 4096):
                self.text += read.decode(errors="replace")
        except OSError:  # Linux's word for the end
            pass
        self.process.wait()
        return self.text.replace("\r\n", "\n")


@pytest.fixture
def terminal() -> Iterator[type[Terminal]]:
    """Terminals, all of them closed in the end."""
    opened: list[Terminal] = []

    class _Opened(Terminal):
        def __init__(self, *args: str) -> None:
            end, other = pty.openpty()
            fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
            command = [*PROGRAM, *args]
            environment = os.environ | {"TERM": "xterm-256color"}
            process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=environment)
            os.close(other)
            super().__init__(process, end)
            opened.append(self)

    yield _Opened
    for one in opened:
        one.process.kill()
        one.process.wait()
        os.close(one.end)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_collect_leaves_a_valid_lake(terminal: type, tmp_path: Path, number: int, code: int) -> None:
    """Stopped in the middle, collect says so; the lake can be read, and the next collect brings exactly the rest."""
    (tmp_path / "logs").mkdir()
    for index in range(1200):
        (tmp_path / "logs" / f"{index}.log").write_text(f"{HEADER}\n{record(1, '203.0.113.1', 8, index)}\n", "utf-8")
    collecting = terminal("--lake", "lake", "collect", "logs")
    collecting.until(r"[1-9][0-9,]* objects")
    collecting.process.send_signal(number)
    assert "stopped: the lake has every finished batch" in collecting.rest()
    assert collecting.process.returncode == code
    count = [*PROGRAM, "--lake", "lake", "sql", "--format", "json"]
    query = "SELECT (SELECT count(*) FROM flows) AS flows, (SELECT sum(kept) FROM objects) AS kept"
    (before,) = json.loads(subprocess.check_output([*count, query]))
    assert before["flows"] == (before["kept"] or 0) < 1200
    subprocess.run([*PROGRAM, "--lake", "lake", "collect", "logs"], check=True, capture_output=True)
    assert json.loads(subprocess.check_output([*count, query])) == [{"flows": 1200, "kept": 1200}]


def test_progress_is_for_terminals_only(terminal: type, logs: Path, tmp_path: Path) -> None:
    """A terminal sees objects and records counted; a pipe sees neither that nor an escape code."""
    assert re.search(r"6 records", terminal("--lake", "one", "collect", str(logs)).rest())
    piped = subprocess.run([*PROGRAM, "--lake", "two", "collect", str(logs)], check=True, capture_output=True)
    assert b"\x1b" not in piped.stdout + piped.stderr
    assert b"6 records" not in piped.stderr


def test_findings_fit_a_terminal(terminal: type, lake: Path) -> None:
    """On 80 columns each finding has its sentence, folded and not cut off, and colours tell severities."""
    text = terminal("--lake", str(lake), "findings").rest()
    assert "\x1b[" in text
    lines = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()]
    assert max(map(len, lines)) <= 80
    place = next(number for number, line in enumerate(lines) if "12.0 MB" in line)
    assert re.search(r"critical +internet-egress-bypasses-nat ", lines[place])
    assert "eni-0a1b2c3d4e5f60711 sent 12.0 MB to 1" in lines[place + 1]
    assert "public address by internet_gateway from" in lines[place + 2]
    assert "2026-05-04 10:00 to 2026-05-04 10:00" in lines[place + 3]


def test_no_color(terminal: type, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR a terminal gets no colours."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", terminal("--lake", str(lake), "findings").rest())


def test_wide_rows_stand_below_each_other(terminal: type, lake: Path) -> None:
    """On a terminal a row of more columns than fit is shown as name and value, line by line."""
    text = terminal("--lake", str(lake), "sql", "SELECT * FROM flows LIMIT 1").rest()
    assert re.search(r"^interface_id +eni-0a1b2c3d4e5f60711$", text, re.MULTILINE)


def test_a_terminal_gets_no_parquet(terminal: type, logs: Path, tmp_path: Path) -> None:
    """--format parquet is refused on a terminal, before anything is done."""
    one = terminal("--lake", "lake", "collect", str(logs), "--format", "parquet")
    assert "error: parquet is not for the terminal" in one.rest()
    assert one.process.returncode == 2
    assert not (tmp_path / "lake").exists()


def test_a_long_table_is_cut_on_a_terminal_only(terminal: type, lake: Path) -> None:
    """A terminal is shown a thousand rows and told of the others; a pipe gets them all."""
    query = ("--lake", str(lake), "sql", "SELECT * FROM range(1500) AS r(n)")
    text = terminal(*query).rest()
    assert "the first 1,000 of 1,500 rows" in text
    assert "1400" not in text
    assert len(subprocess.check_output([*PROGRAM, *query]).splitlines()) == 1501


def test_a_closed_pipe_is_no_error(lake: Path) -> None:
    """Piped into `head`, the program ends without a word, and not with the exit code of findings."""
    query = ["--lake", str(lake), "sql", "SELECT * FROM range(200000) AS r(n)", "--format", "ndjson"]
    with subprocess.Popen([*PROGRAM, *query], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b'{"n": 0}\n'
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_of(lake: Path) -> None:
    """A result that cannot be written is exit 3 and one line."""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([*PROGRAM, "--lake", lake, "findings"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert ended.returncode == 3
    assert ended.stderr.decode().splitlines() == ["error: [Errno 28] No space left on device"]


def test_parquet_in_a_file(lake: Path, tmp_path: Path) -> None:
    """Parquet is written to stdout as it is."""
    with (tmp_path / "findings.parquet").open("wb") as file:
        subprocess.run([*PROGRAM, "--lake", lake, "findings", "--format", "parquet"], stdout=file, check=True)
    assert pq.read_table(tmp_path / "findings.parquet").num_rows == 4


def _completed(words: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What bash is offered after these words."""
    monkeypatch.setenv("_FLOWAUDIT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    ended = subprocess.run(PROGRAM, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    return ended.stdout.split()


def test_completion(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verbs, severities, detectors and findings complete."""
    assert _completed("flowaudit fi", monkeypatch) == ["findings"]
    assert _completed("flowaudit findings --severity ", monkeypatch) == ["low", "medium", "high", "critical"]
    assert _completed("flowaudit detect --detector s3", monkeypatch) == [
        "s3-bypasses-endpoint",
        "s3-bypasses-endpoint-attempted",
        "s3-of-another-region",
    ]
    ids = _completed(f"flowaudit --lake {lake} findings show ", monkeypatch)
    assert len(ids) == 4
    assert _completed(f"flowaudit --lake {lake} findings show {ids[0][:4]}", monkeypatch) == ids[:1]


def test_completion_of_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports complete, and after one of them its parameters."""
    assert _completed("flowaudit query run bytes-", monkeypatch) == ["bytes-by-path", "bytes-by-workload"]
    assert _completed("flowaudit query show route", monkeypatch) == ["route-history"]
    assert _completed("flowaudit query run bytes-by-path --param ", monkeypatch) == ["since=", "until=", "step="]
    assert _completed("flowaudit query run bytes-by-path --param s", monkeypatch) == ["since=", "step="]
    assert _completed("flowaudit query run bytes-by-path --param since=-1d --param st", monkeypatch) == ["step="]
    assert _completed("flowaudit query run nonsense --param ", monkeypatch) == []


def test_a_report_fits_on_a_terminal(terminal: type) -> None:
    """Prose, parameters and SQL are no wider than its 80 columns."""
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal("query", "show", "gateway-endpoint-savings").rest())
    lines = [line for line in shown.splitlines() if not line.startswith("file ")]
    assert max(map(len, lines)) <= 80
    assert "usd_per_gb" in shown
    assert lines[-1].startswith("ORDER BY")


def test_completion_never_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a lake, or with a broken configuration, nothing is offered and nothing is said."""
    (tmp_path / "flowaudit.toml").write_text("[[[", "utf-8")
    assert _completed("flowaudit findings show ", monkeypatch) == []
    assert _completed("flowaudit detect --detector ", monkeypatch) == []


def test_help_needs_no_engine() -> None:
    """What is typed most, --help and completion, loads none of the heavy libraries."""
    probe = "import sys, flowaudit.cli; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = set(subprocess.check_output([sys.executable, "-c", probe], text=True).split())
    assert loaded.isdisjoint({"duckdb", "pyarrow", "deltalake", "boto3", "pydantic", "prompt_toolkit"})
