"""The demo shows the main job, and checks itself against the truth."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from flowaudit.cli.demo import _troubles
from flowaudit.cli.demo.places import Place
from flowaudit.daemon import Cycle
from flowaudit.model import CollectReport, DetectReport

pytest.importorskip("moto", reason="needs the extra `demo`")

LEAK = Place("internet-egress-bypasses-nat", "eni-0a", "internet_gateway")
OTHER = Place("path-undecided", "eni-0a", "unknown")
LEAKS = {"internet-egress-bypasses-nat": "research-notebook", "s3-bypasses-endpoint": "fraud-training"}


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment that points to an account and an endpoint that the demo must have nothing to do with."""
    folder = tmp_path_factory.mktemp("demo")
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FLOWAUDIT_"))} | {
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "TMPDIR": str(folder),
        "COLUMNS": "80",
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }


@pytest.fixture(scope="module")
def destroyed(surroundings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What one run of `flowaudit demo --once --destroy` prints."""
    command = [sys.executable, "-m", "flowaudit", "demo", "--once", "--destroy"]
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def shown(surroundings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What one run of `flowaudit demo --once` prints."""
    command = [sys.executable, "-m", "flowaudit", "demo", "--once"]
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=120, check=False)


def test_both_leaks_are_found_and_nothing_else(shown: subprocess.CompletedProcess[str]) -> None:
    """Each leak stands in the table with its workload and equal figures, marked as found; the exit code is 0."""
    assert (shown.returncode, shown.stderr) == (0, "")
    for detector, workload in LEAKS.items():
        flows = re.search(rf"{workload} +\S+ +([\d,]+) +([\d,]+) ✔\n\S+ +{detector} +([\d,]+) +([\d,]+) ", shown.stdout)
        assert flows, shown.stdout
        assert (flows[1], flows[3]) == (flows[2], flows[4])
    assert shown.stdout.count("✔") == len(LEAKS)
    assert "Both leaks were found, to the byte. Of the other" in shown.stdout


def test_its_steps_are_in_order(shown: subprocess.CompletedProcess[str]) -> None:
    """The VPC is made by `setup apply`, then workloads move in, flow logs are written, and a cycle runs."""
    steps = re.findall(r"^(\d) (.+)$", shown.stdout, re.MULTILINE)
    assert [number for number, _ in steps] == ["1", "2", "3", "4"]
    for (_, words), expected in zip(steps, ("setup apply", "workloads", "flow logs", "one cycle"), strict=True):
        assert expected in words
    assert re.search(r"^  \d+ to add$", shown.stdout, re.MULTILINE)


def test_drift_is_what_was_changed_by_hand(shown: subprocess.CompletedProcess[str]) -> None:
    """Of the VPC that apply made, only the S3 endpoint's route table differs, with the command that reverts it."""
    drift = shown.stdout.partition("setup drift")[2].partition("\n3 ")[0]
    assert re.findall(r"^  (\w+)  AWS::", drift, re.MULTILINE) == ["S3Endpoint"]
    assert re.search(r"RouteTableIds/1\n +deployed: +rtb-\w+\n +by hand: +none", drift)
    assert re.search(r"\d+ resources compared, 1 changed by hand\n +next: flowaudit setup apply", drift)


def test_without_destroy_the_vpc_stays(shown: subprocess.CompletedProcess[str]) -> None:
    """Nothing is deleted unless it is asked for."""
    assert "destroy" not in shown.stdout


def test_destroy_deletes_all_but_flow_logs(destroyed: subprocess.CompletedProcess[str]) -> None:
    """With --destroy the stack of `setup apply` is deleted after the report: two resources are kept, and named."""
    assert (destroyed.returncode, destroyed.stderr) == (0, "")
    report, _, end = destroyed.stdout.partition("flowaudit setup destroy")
    assert "Both leaks were found, to the byte." in report
    (added,) = re.findall(r"^  (\d+) to add$", report, re.MULTILINE)
    assert f"stack demo in us-east-1: {added} resources" in end
    kept = re.findall(r"DELETE_SKIPPED +(\w+)  (\S+)", end)
    assert sorted(kept) == [("FlowLogBucket", "AWS::S3::Bucket"), ("FlowLogBucketPolicy", "AWS::S3::BucketPolicy")]
    assert re.search(r"Kept, because flow logs are audit evidence:\n +- bucket demo-flowlogbucket-\w+ ", end)
    assert "_FAILED" not in end
    (folder,) = re.findall(r"rm -r (\S+)$", end, re.MULTILINE)
    shutil.rmtree(folder)


AFTERWARDS = """
import sys
from pathlib import Path
from flowaudit.app import client
from flowaudit.cli.demo.cloud import Stage, emulated

with emulated():
    stage = Stage(Path(sys.argv[1]))
    stage.apply()
    cloud = stage.populate()
    vpcs = lambda: [vpc["VpcId"] for vpc in client("ec2").describe_vpcs()["Vpcs"]]
    print(cloud.network.vpc.id in vpcs())
    stage.destroy(cloud)
    print(cloud.network.vpc.id in vpcs(), client("cloudformation").describe_stacks()["Stacks"])
    print(cloud.bucket in [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]])
"""
"""Prints whether the VPC is there before and after it is destroyed, the stacks left, and whether the bucket is."""


def test_destroy_leaves_neither_vpc_nor_stack(surroundings: dict[str, str], tmp_path: Path) -> None:
    """After --destroy the cloud has no VPC and no stack of the demo, and still the bucket of the flow logs."""
    command = [sys.executable, "-c", AFTERWARDS, str(tmp_path)]
    ran = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.stdout.splitlines(), ran.stderr) == (["True", "False []", "True"], "")


def test_the_table_fits_a_narrow_terminal(shown: subprocess.CompletedProcess[str]) -> None:
    """Eighty columns are enough for all but keys and commands."""
    table = shown.stdout.partition("workload ")[2].partition("\n\n")[0]
    assert max(map(len, table.splitlines())) <= 80


def test_what_to_try_next_works(shown: subprocess.CompletedProcess[str], surroundings: dict[str, str]) -> None:
    """Each command that it prints runs as it stands there, and the folder that it names to be removed is there."""
    commands = re.findall(r"^  \S*flowaudit (--lake .+)$", shown.stdout, re.MULTILINE)
    verbs = [command.split()[2] for command in commands]
    assert verbs == ["findings", "findings", "sql"]
    for command in commands:
        line = f"{sys.executable} -m flowaudit {command}"
        ran = subprocess.run(line, shell=True, env=surroundings, capture_output=True, text=True, check=False)
        closing = r"(coverage: 100 % .*\n)?"  # of findings: that nothing was hidden
        assert ran.returncode == 0, command
        assert re.fullmatch(closing, ran.stderr), command
        assert ran.stdout
    (folder,) = re.findall(r"rm -r (\S+)$", shown.stdout, re.MULTILINE)
    assert (
        b'flowaudit_findings_open{detector="path-undecided",severity="low"} 0.0'
        in Path(folder, "metrics.prom").read_bytes()
    )
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("found", "kept", "failures", "told"),
    [
        ({LEAK: (2, 100)}, 9, (), []),
        ({LEAK: (2, 99)}, 9, (), ["0 of 1 leaks were found as planted; 1 findings are open"]),
        ({}, 9, (), ["0 of 1 leaks were found as planted; 0 findings are open"]),
        ({LEAK: (2, 100), OTHER: (1, 1)}, 9, (), ["1 of 1 leaks were found as planted; 2 findings are open"]),
        ({LEAK: (2, 100)}, 8, (), ["9 records were written, and 8 were collected"]),
        ({LEAK: (2, 100)}, 9, ("the lake is gone",), ["the lake is gone"]),
    ],
    ids=["as planted", "a byte less", "missed", "one too many", "a record lost", "a failure"],
)
def test_it_does_not_praise_itself(
    found: dict[Place, tuple[int, int]], kept: int, failures: tuple[str, ...], told: list[str]
) -> None:
    """Whatever differs from the truth by a byte, a finding or a record is said."""
    cycle = Cycle({"collect": CollectReport(kept=kept), "detect": DetectReport()}, failures)
    assert _troubles(cycle, 9, {LEAK: (2, 100)}, found) == told


def test_it_goes_on_until_ctrl_c(surroundings: dict[str, str], tmp_path: Path) -> None:
    """Without --once the daemon stays up and serves, and Ctrl-C ends all of it with exit code 0."""
    with (tmp_path / "out").open("w") as out:
        command = [sys.executable, "-m", "flowaudit", "demo"]
        process = subprocess.Popen(command, env=surroundings, stdout=out, stderr=subprocess.DEVNULL)
    try:
        _until(process, lambda: "until Ctrl-C" in (tmp_path / "out").read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    assert re.search(r"status page http://127\.0\.0\.1:\d+/ ", (tmp_path / "out").read_text())
    assert re.search(r"http://127\.0\.0\.1:\d+/metrics ", (tmp_path / "out").read_text())
    assert "Remove it all with" in (tmp_path / "out").read_text()


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:70000", "0.0.0.0"])
@pytest.mark.parametrize("by", ["option", "variable"])
def test_an_address_that_is_none_is_told(surroundings: dict[str, str], address: str, by: str) -> None:
    """A wrong --listen, or variable, ends at once with 2 and says what is expected."""
    command = [sys.executable, "-m", "flowaudit", "demo", *(["--listen", address] if by == "option" else [])]
    env = surroundings | ({"FLOWAUDIT_HTTP__LISTEN": address} if by == "variable" else {})
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.strip().endswith(f"--listen {address}: HOST:PORT is expected, such as 0.0.0.0:9184")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's table of sockets")
def test_it_serves_where_it_is_told_to(surroundings: dict[str, str], tmp_path: Path) -> None:
    """With FLOWAUDIT_HTTP__LISTEN the endpoints are on every address; both servers of the mock stay on the loopback."""
    with (tmp_path / "out").open("w") as out:
        env = surroundings | {"FLOWAUDIT_HTTP__LISTEN": "0.0.0.0:0"}
        command = [sys.executable, "-m", "flowaudit", "demo"]
        process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.DEVNULL)
    try:
        served = re.compile(r"http://0\.0\.0\.0:\d+/metrics ")
        _until(process, lambda: served.search((tmp_path / "out").read_text()))
        assert sorted(_listening(process.pid)) == ["0.0.0.0", "127.0.0.1", "127.0.0.1"]
    finally:
        process.kill()
        process.wait()


def _listening(process: int) -> list[str]:
    """Return the addresses of IPv4 that a process listens on."""
    sockets = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            sockets.add(link.readlink().name)
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    own = [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]
    return [".".join(str(byte) for byte in reversed(bytes.fromhex(each.partition(":")[0]))) for each in own]


def _until(process: subprocess.Popen[bytes], condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("in vain")


@pytest.fixture
def without_moto(tmp_path: Path) -> dict[str, str]:
    """An environment in which AWS's mock cannot be imported."""
    (tmp_path / "moto.py").write_text("raise ImportError('no moto', name='moto')")
    return os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[1]}", "TMPDIR": str(tmp_path)}


def test_without_its_extra_it_says_what_to_install(without_moto: dict[str, str], tmp_path: Path) -> None:
    """One line names the extra, and how a checkout is installed with it; nothing is left behind."""
    command = [sys.executable, "-m", "flowaudit", "demo", "--once"]
    ran = subprocess.run(command, env=without_moto, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "install flowaudit with the extra demo, in a checkout: pip install '.[demo]'" in " ".join(ran.stderr.split())
    assert not list(tmp_path.glob("flowaudit-demo-*"))
