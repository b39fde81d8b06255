"""The configuration that watches the VPC of a stack, and the file that it is written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowaudit.config import Config, S3Source, load
from flowaudit.errors import SetupError
from flowaudit.setup import watching as room
from flowaudit.setup.watching import watching, write_new
from tests.setup.wishes import WISHES, document, setup

OUTPUTS = {
    "VpcId": "vpc-0123456789abcdef0",
    "WorkloadSecurityGroupId": "sg-0123456789abcdef0",
    "FlowLogSource": "s3://sagemaker-flowlogbucket-1abc/AWSLogs/",
}
IN_LOGS = {**{key: OUTPUTS[key] for key in OUTPUTS if key != "FlowLogSource"}, "FlowLogGroupName": "sagemaker-logs"}


def loaded(text: str, folder: Path) -> Config:
    """The configuration as flowaudit reads it."""
    (folder / "watch.toml").write_text(text, "utf-8")
    return load(folder / "watch.toml", {})


def test_it_watches_what_the_stack_made(tmp_path: Path) -> None:
    """Region, flow log bucket and security group are those of the outputs."""
    config = loaded(watching(setup(), OUTPUTS), tmp_path)
    assert config.aws.regions == ("us-east-1",)
    assert config.sources == (S3Source(type="s3", uri=OUTPUTS["FlowLogSource"]),)
    assert config.scope.subnets == ()
    assert config.scope.security_groups == (OUTPUTS["WorkloadSecurityGroupId"],)


@pytest.mark.parametrize(("profile", "paths"), [("isolated", ()), ("nat", ("nat_gateway",))])
def test_the_profile_decides_what_is_allowed(profile: str, paths: tuple[str, ...], tmp_path: Path) -> None:
    """Without NAT no path to the internet is: not even the one that is allowed by default."""
    assert loaded(watching(setup(profile=profile), OUTPUTS), tmp_path).policy.internet_paths == paths


def test_a_log_group_is_no_source(tmp_path: Path) -> None:
    """Nothing reads CloudWatch Logs: a comment says so, and the file is good all the same."""
    text = watching(setup(flow_logs={"destination": "cloud-watch-logs"}), IN_LOGS)
    assert not loaded(text, tmp_path).sources
    assert "log group sagemaker-logs of CloudWatch Logs, which flowaudit does not read" in text


@pytest.mark.parametrize("missing", OUTPUTS)
def test_a_missing_output_is_named(missing: str) -> None:
    """A stack of another template, or a failed one, has no such configuration."""
    with pytest.raises(SetupError, match=f"output {missing} of the stack is missing"):
        watching(setup(), {key: value for key, value in OUTPUTS.items() if key != missing})


@pytest.mark.parametrize("wish", WISHES)
def test_every_template_has_the_outputs(wish: str, tmp_path: Path) -> None:
    """The outputs are called as in the template, for each option."""
    outputs = {name: OUTPUTS.get(name, "x") for name in document(**WISHES[wish])["Outputs"]}
    assert loaded(watching(setup(**WISHES[wish]), outputs), tmp_path).scope.security_groups


def test_a_value_cannot_break_out_of_its_quotes(tmp_path: Path) -> None:
    """What stands in an output is a value, whatever is in it."""
    outputs = {**OUTPUTS, "WorkloadSecurityGroupId": 'sg-1"]\nkeep = "all" # \\'}
    assert loaded(watching(setup(), outputs), tmp_path).scope.security_groups == (outputs["WorkloadSecurityGroupId"],)


# --- the file ---


def test_a_new_file_is_written_as_a_whole(tmp_path: Path) -> None:
    """It is there with all its text, readable by the daemon's user, and nothing else is left in the folder."""
    file = tmp_path / "watch.toml"
    assert write_new(file, "a = 1\n")
    assert file.read_text("utf-8") == "a = 1\n"
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_the_same_file_is_left_as_it_is(tmp_path: Path) -> None:
    """A second apply changes nothing, and is no mistake."""
    file = tmp_path / "watch.toml"
    write_new(file, "a = 1\n")
    before = file.stat()
    assert not write_new(file, "a = 1\n")
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("present", [b"", b"a = 1", b"\xff\xfe", b"a = 1\n# mine\n"])
def test_another_file_is_never_overwritten(present: bytes, tmp_path: Path) -> None:
    """Not even an empty one, or one with a line more."""
    file = tmp_path / "watch.toml"
    file.write_bytes(present)
    with pytest.raises(SetupError, match=r"watch\.toml: exists, with other content: name another file"):
        write_new(file, "a = 1\n")
    assert file.read_bytes() == present
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever made it first, keeps it."""
    file, link = tmp_path / "watch.toml", room.os.link  # type: ignore[attr-defined]

    def late(source: Path, target: Path) -> None:
        target.write_text("theirs", "utf-8")
        link(source, target)

    monkeypatch.setattr(room.os, "link", late)  # type: ignore[attr-defined]
    with pytest.raises(SetupError, match="exists, with other content"):
        write_new(file, "a = 1\n")
    assert file.read_text("utf-8") == "theirs"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", ["nowhere/watch.toml", "."])
def test_a_place_that_cannot_be_written_is_named(name: str, tmp_path: Path) -> None:
    """With the reason of the operating system."""
    with pytest.raises(SetupError, match="cannot be written: "):
        write_new(tmp_path / name, "a = 1\n")
    assert not list(tmp_path.iterdir())
