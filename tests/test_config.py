"""The configuration: what it says, and what is said about it when it is wrong."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flowaudit.config import (
    Config,
    Description,
    LocalSource,
    S3Source,
    load,
    no_effect,
    parse_duration,
    parse_time,
    shipped,
    source,
)
from flowaudit.errors import ConfigError
from flowaudit.model import Severity

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test starts in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Write:
    """Writes ./flowaudit.toml and gives its name as it stands in messages."""

    def write(text: str) -> Path:
        (folder / "flowaudit.toml").write_text(text)
        return Path("flowaudit.toml")

    return write


def message(path: Path | None, environ: dict[str, str] | None = None) -> str:
    """What `load` says when it refuses."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    return str(caught.value)


def test_without_a_file_all_is_at_its_default() -> None:
    """No file and no variables: the defaults, and no sources."""
    config = load(None, {})
    assert config == Config()
    assert config.sources == ()
    assert config.lake.uri == "./lake"
    assert config.policy.internet_paths == ("nat_gateway",)
    assert config.schedule.collect == timedelta(minutes=1)
    assert (config.http.host, config.http.port) == ("127.0.0.1", 9184)


def test_the_file_in_the_folder_is_found(write: Write) -> None:
    """./flowaudit.toml is read without being named."""
    write('lake.uri = "s3://bucket/lake"')
    assert load(None, {}).lake.uri == "s3://bucket/lake"


def test_a_variable_names_the_file_and_an_argument_comes_before_it(tmp_path: Path) -> None:
    """$FLOWAUDIT_CONFIG names the file; a path that is handed in wins over it."""
    (tmp_path / "a.toml").write_text('lake.uri = "a"')
    (tmp_path / "b.toml").write_text('lake.uri = "b"')
    assert load(None, {"FLOWAUDIT_CONFIG": "a.toml"}).lake.uri == "a"
    assert load(Path("b.toml"), {"FLOWAUDIT_CONFIG": "a.toml"}).lake.uri == "b"


def test_every_section_is_read(write: Write) -> None:
    """A file with something in every section comes out as typed, frozen values."""
    config = load(
        write("""
            [lake]
            uri = "/var/lib/flowaudit"
            retention = { flows = "90d" }
            [[sources]]
            type = "s3"
            uri = "s3://bucket/AWSLogs/"
            lookback = "48h"
            [[sources]]
            type = "local"
            uri = "logs/*.gz"
            format = "${version} ${account-id}${interface-id}"
            [attribution]
            tag = "sagemaker"
            descriptions = [{ pattern = '^Endpoint (?P<name>\\S+)', kind = "endpoint" }]
            [policy]
            internet_paths = []
            allowed_destinations = ["192.0.2.0/24", "2001:db8::/32"]
            [detectors.s3-bypasses-endpoint]
            enabled = false
            severity = "low"
            every = "5m"
            params = { min_bytes = 1000 }
            [queries]
            paths = ["mine"]
            [http]
            listen = "[::1]:0"
        """),
        {},
    )
    assert config.lake.retention == {"flows": timedelta(days=90)}
    assert config.sources == (
        S3Source(type="s3", uri="s3://bucket/AWSLogs/", lookback=timedelta(hours=48)),
        LocalSource(type="local", uri="logs/*.gz", format=("version", "account-id", "interface-id")),
    )
    assert config.attribution.tag == "sagemaker"
    assert config.attribution.descriptions == (Description(pattern=r"^Endpoint (?P<name>\S+)", kind="endpoint"),)
    assert config.policy.internet_paths == ()
    detector = config.detectors["s3-bypasses-endpoint"]
    assert (detector.enabled, detector.severity, detector.every) == (False, Severity.LOW, timedelta(minutes=5))
    assert detector.params == {"min_bytes": 1000}
    assert config.queries.paths == (Path("mine"),)
    assert (config.http.host, config.http.port) == ("::1", 0)


def test_keys_without_effect_are_told(write: Write) -> None:
    """A key that nothing acts on yet is accepted, but not in silence."""
    config = load(write('schedule = { posture = "2h", maintain = "2d", collect = "2m" }'), {})
    assert no_effect(config) == ("schedule.posture",)
    assert no_effect(load(write('lake.uri = "x"'), {})) == ()


@pytest.mark.parametrize(
    ("name", "value", "place", "expected"),
    [
        ("LAKE__URI", "s3://bucket/x", ("lake", "uri"), "s3://bucket/x"),
        ("LAKE__URI", '"quoted"', ("lake", "uri"), "quoted"),
        ("HTTP__LISTEN", "0.0.0.0:80", ("http", "listen"), "0.0.0.0:80"),
        ("SCHEDULE__COLLECT", "30s", ("schedule", "collect"), timedelta(seconds=30)),
        ("POLICY__INTERNET_PATHS", '["transit_gateway"]', ("policy", "internet_paths"), ("transit_gateway",)),
        ("SOURCES", '[{type = "local", uri = "x"}]', ("sources",), (LocalSource(type="local", uri="x"),)),
    ],
)
def test_variables_come_before_the_file(
    write: Write, name: str, value: str, place: tuple[str, ...], expected: object
) -> None:
    """FLOWAUDIT_SECTION__KEY overrides the file; its value is TOML, or else plain text."""
    found: object = load(write('lake.uri = "file"'), {f"FLOWAUDIT_{name}": value})
    for key in place:
        found = getattr(found, key)
    assert found == expected


def test_a_variable_reaches_a_detector() -> None:
    """Ids have hyphens where variables can only have underscores."""
    config = load(None, {"FLOWAUDIT_DETECTORS__S3_BYPASSES_ENDPOINT__ENABLED": "false"})
    assert not config.detectors["s3-bypasses-endpoint"].enabled


def test_other_variables_are_none_of_ours() -> None:
    """The shell's completion variable and everybody else's are left alone."""
    assert load(None, {"_FLOWAUDIT_COMPLETE": "complete_bash", "AWS_REGION": "x", "PATH": "y"}) == Config()


def test_the_command_line_comes_before_all(write: Write) -> None:
    """An option wins over variable and file, and a mistake in it is told as the command line's."""
    path, environ = write('lake.uri = "file"'), {"FLOWAUDIT_LAKE__URI": "variable"}
    assert load(path, environ, {"lake.uri": "option"}).lake.uri == "option"
    with pytest.raises(ConfigError, match=r"^command line: lake\.uri: must be a folder, or s3://"):
        load(path, environ, {"lake.uri": "gs://bucket"})


def test_a_source_may_stand_on_the_command_line() -> None:
    """An address alone is enough of a source."""
    assert source("logs/*.gz") == LocalSource(type="local", uri="logs/*.gz")
    assert source("s3://bucket/x") == S3Source(type="s3", uri="s3://bucket/x")


@pytest.mark.parametrize(
    ("uri", "shown"), [("gs://b/x", "gs://b/x"), ("", ""), ("s3://", "s3://"), ("s3://k:s@b/x", "b/x")]
)
def test_no_source_on_the_command_line(uri: str, shown: str) -> None:
    """An address of another kind is refused, without the secret that may stand in it."""
    with pytest.raises(ConfigError) as caught:
        source(uri)
    assert str(caught.value) == f"{shown!r} is no source: name a file, a folder, a glob or s3://bucket/prefix/"


MUTE = '[[mutes]]\ndetector = "d"\nowner = "o"\n'

BAD = {
    'lake.url = "x"': "lake.url: no such key: did you mean uri?",
    "[lakes]": "lakes: no such key: did you mean lake?",
    'uri = "x"': "uri: no such key: did you mean lake.uri?",
    "[scope]\nzzz = 1": "scope.zzz: no such key: there are interfaces, keep, security_groups, subnets",
    "lake = 3": "lake: must be a table",
    "lake.uri = 3": "lake.uri: must be text in quotes",
    'lake.uri = ""': "lake.uri: must be a folder, or s3://bucket/prefix (credentials come from AWS's own chain)",
    'lake.uri = "gs://bucket"': (
        "lake.uri: must be a folder, or s3://bucket/prefix (credentials come from AWS's own chain)"
    ),
    'lake.retention.flow = "90d"': (
        "lake.retention: the lake has no table 'flow': there are flows, objects, quarantine, findings, dead_letters, "
        "interfaces, workloads, topology, gaps, ip_ranges"
    ),
    'lake.retention.flows = "90"': (
        "lake.retention.flows: '90' is no duration: write a whole number and s, m, h or d, as in 30s, 5m, 24h, 30d"
    ),
    'aws.regions = "eu-west-1"': "aws.regions: must be a list in brackets",
    'aws.regions = [""]': "aws.regions[0]: must not be empty",
    'aws.assume_roles = ["flowaudit"]': (
        "aws.assume_roles[0]: must be the ARN of a role, as in arn:aws:iam::111122223333:role/flowaudit"
    ),
    "sources = 1": "sources: must be a list of sections: write [[sources]], with two brackets",
    "[sources]": "sources: must be a list of sections: write [[sources]], with two brackets",
    "sources = [1]": "sources[0]: must be a table",
    '[[sources]]\nuri = "x"': (
        "sources[0].type: is missing: there are local and s3 (cloudwatch and sqs are not supported in this version)"
    ),
    '[[sources]]\ntype = "sqs"': (
        "sources[0].type: is not a type of source: "
        "there are local and s3 (cloudwatch and sqs are not supported in this version)"
    ),
    '[[sources]]\ntype = "s3"': "sources[0].uri: is missing",
    '[[sources]]\ntype = "s3"\nuri = "bucket"': (
        "sources[0].uri: must be s3://bucket/prefix/ (credentials come from AWS's own chain)"
    ),
    '[[sources]]\ntype = "s3"\nuri = "s3://b-1"\nlook_back = "1h"': (
        "sources[0].look_back: no such key: did you mean lookback?"
    ),
    '[[sources]]\ntype = "local"\nuri = "s3://b-1"': "sources[0].uri: must be a path: a file, a folder or a glob",
    '[[sources]]\ntype = "local"\nuri = "x"\nformat = "version, srcaddr"': (
        "sources[0].format: must be AWS's field names separated by spaces, as in 'version account-id interface-id'"
    ),
    '[[sources]]\ntype = "local"\nuri = "x"\nformat = "version start version"': (
        "sources[0].format: names a field twice: version"
    ),
    'scope.keep = "some"': "scope.keep: must be one of 'sagemaker' or 'all'",
    'attribution.tag = ""': "attribution.tag: must not be empty",
    'attribution.description = "x"': "attribution.description: no such key: did you mean descriptions?",
    "attribution.descriptions = {}": "attribution.descriptions: must be a list in brackets",
    '[[attribution.descriptions]]\npattern = "x"': "attribution.descriptions[0].kind: is missing",
    '[[attribution.descriptions]]\npattern = "("\nkind = "endpoint"': (
        "attribution.descriptions[0].pattern: '(' is no regular expression: "
        "missing ), unterminated subpattern at position 0"
    ),
    '[[attribution.descriptions]]\npattern = ""\nkind = "endpoint"': (
        "attribution.descriptions[0].pattern: must not be empty"
    ),
    '[[attribution.descriptions]]\npattern = "x"\nkind = "Endpoint"': (
        "attribution.descriptions[0].kind: must be a kind of workload in snake case, as in endpoint, training_job"
    ),
    '[[attribution.descriptions]]\npattern = "x"\nkinds = "endpoint"\nkind = "endpoint"': (
        "attribution.descriptions[0].kinds: no such key: did you mean kind?"
    ),
    'policy.internet_paths = ["nat"]': (
        "policy.internet_paths[0]: 'nat' is no path to the internet: those are nat_gateway, internet_gateway, "
        "egress_only_internet_gateway, transit_gateway, virtual_private_gateway, vpc_peering, middlebox, local_zone"
    ),
    'policy.allowed_destinations = ["example.com"]': (
        "policy.allowed_destinations[0]: 'example.com' is no network: write one as in 192.0.2.0/24 or 2001:db8::/32"
    ),
    'policy.allowed_services = ["s3"]': (
        "policy.allowed_services[0]: must be a service's code as flow logs have it, as in S3, DYNAMODB, API_GATEWAY"
    ),
    'policy.require_encryption = "yes"': "policy.require_encryption: must be true or false",
    'policy.allowed_prefixes = ["4"]': ("policy.allowed_prefixes: no such key: did you mean allowed_services?"),
    "schedule.collect = 60": "schedule.collect: must be a duration in quotes, as in 30s, 5m, 24h, 30d",
    'schedule.collect = "0s"': "schedule.collect: must be longer than nothing",
    'schedule.collect = "99999999999d"': "schedule.collect: '99999999999d' is too long a duration",
    'detectors.x.severity = "bad"': "detectors.x.severity: must be one of 'low', 'medium', 'high' or 'critical'",
    'detectors.x.enabled = "no"': "detectors.x.enabled: must be true or false",
    "detectors.x.param = {}": "detectors.x.param: no such key: did you mean params?",
    "detectors.x = 1": "detectors.x: must be a table",
    "detectors = 1": "detectors: must be a table",
    "queries.paths = [1]": "queries.paths[0]: must be text in quotes",
    'http.listen = "9184"': "http.listen: must be host:port, as in 127.0.0.1:9184 or [::1]:9184",
    'http.listen = "localhost:65536"': "http.listen: must be host:port, as in 127.0.0.1:9184 or [::1]:9184",
    'http.grafana_url = "grafana.example.com"': (
        "http.grafana_url: must be an http or https URL, as in https://grafana.example.com"
    ),
    'http.grafana_url = "javascript:alert(1)"': (
        "http.grafana_url: must be an http or https URL, as in https://grafana.example.com"
    ),
    'http.grafana_url = "https://a:0/"': (
        "http.grafana_url: must be an http or https URL, as in https://grafana.example.com"
    ),
    'http.grafana_url = "https://a/ b"': (
        "http.grafana_url: must be an http or https URL, as in https://grafana.example.com"
    ),
    'http.grafana_url = "https://ann:s3cret@grafana.example.com/"': (
        "http.grafana_url: must not hold a user name or a password: everybody who sees the status page sees it"
    ),
    'http.listen = "::1:9184"': "http.listen: must be host:port, as in 127.0.0.1:9184 or [::1]:9184",
    f'{MUTE}reason = "r"\nuntil = 2027-01-01T00:00:00': (
        "mutes[0].until: '2027-01-01T00:00:00' does not say its zone: append Z for UTC, or +02:00"
    ),
    f'{MUTE}reason = "r"\nuntil = "next year"': "mutes[0].until: 'next year' is no date: write one as in 2027-01-01",
    f'{MUTE}reason = "r"\nuntil = 5': (
        "mutes[0].until: must be a date, as in 2027-01-01, or a time, as in 2027-01-01T12:00:00Z"
    ),
    f'{MUTE}reason = "r"': "mutes[0].until: is missing",
    f"{MUTE}until = 2027-01-01": "mutes[0].reason: is missing",
    f'{MUTE}until = 2027-01-01\nreason = " "': "mutes[0].reason: must not be empty",
    f'{MUTE}until = 2027-01-01\nreason = "r"\nkey = {{ path = 1 }}': "mutes[0].key.path: must be text in quotes",
    f'{MUTE}until = 2027-01-01\nreason = "r"\nowners = "x"': "mutes[0].owners: no such key: did you mean owner?",
    "[[sinks]]": (
        "sinks[0].type: is missing: "
        "there are webhook, slack, pagerduty, alertmanager, sns, sqs, eventbridge, security_hub and ocsf"
    ),
    "[[sinks]]\ntype = 'slak'": (
        "sinks[0].type: is not a type of sink: "
        "there are webhook, slack, pagerduty, alertmanager, sns, sqs, eventbridge, security_hub and ocsf"
    ),
    "[[sinks]]\ntype = 'slack'\nurl = 'https://hooks.example/hunter2'": (
        'sinks[0].url: must be { env = "VARIABLE" } or { file = "/path" }: the configuration never contains a secret'
    ),
    "[[sinks]]\ntype = 'webhook'\nurl = 'https://a:hunter2@hooks.example/'\nsecrets = [{ env = 'X' }]": (
        "sinks[0].url: must be http:// or https:// and a host, without a user name or password"
    ),
    "[[sinks]]\ntype = 'webhook'\nurl = { env = 'X', file = 'y' }\nsecrets = [{ env = 'X' }]": (
        'sinks[0].url: must be { env = "VARIABLE" } or { file = "/path" }: the configuration never contains a secret'
    ),
    "[[sinks]]\ntype = 'sns'\ntopic_arn = 'findings'": (
        "sinks[0].topic_arn: must be the ARN of a topic, as in arn:aws:sns:us-east-1:111122223333:findings"
    ),
    "[[sinks]]\ntype = 'ocsf'\nuri = 'x'\nregion = 'us-east-1'": "sinks[0].region: no such key for this type",
    "[[sinks]]\ntype = 'ocsf'\nuri = 's3://bucket/events'": (
        "sinks[0].uri: must be a file, or s3://bucket/prefix/ with / at the end"
    ),
    "[[sinks]]\ntype = 'ocsf'\nuri = 'x'\nevents = ['closed']": (
        "sinks[0].events[0]: must be one of 'opened', 'seen', 'reopened', 'resolved', 'muted' or 'unmuted'"
    ),
    "[[sinks]]\ntype = 'ocsf'\nuri = 'x'\nname = 'a b'": (
        "sinks[0].name: must be lowercase letters, digits, - and _, at most 63: it is a label of metrics"
    ),
    "[[sinks]]\ntype = 'ocsf'\nuri = 'x'\n[[sinks]]\ntype = 'ocsf'\nuri = 'y'": (
        "sinks: two sinks have the name 'ocsf': give each its own name"
    ),
}


@pytest.mark.parametrize(("text", "expected"), BAD.items(), ids=BAD)
def test_one_mistake_is_one_line(write: Write, text: str, expected: str) -> None:
    """A mistake is told with its file, its place and what is allowed there."""
    assert message(write(text)) == f"flowaudit.toml: {expected}"


def test_a_mute_has_an_end(write: Write) -> None:
    """A date is its midnight, in UTC; a time has its zone; patterns are by the columns of the key."""
    good = f'{MUTE}reason = "r"\nkey = {{ path = "nat_*" }}\nuntil = '
    ends = ["2027-01-01", '"2027-01-01"', "2027-01-01T02:00:00+02:00", '"2027-01-01T00:00:00Z"']
    mutes = [load(write(good + end), {}).mutes[0] for end in ends]

    assert {mute.until for mute in mutes} == {datetime(2027, 1, 1, tzinfo=UTC)}
    assert dict(mutes[0].key) == {"path": "nat_*"}


BAD_VARIABLES = {
    "LAKE__URL": "lake.url: no such key: did you mean uri?",
    "LAKE": "lake: must be a table",
    "DEBUG": (
        "debug: no such key: "
        "there are attribution, aws, detectors, http, lake, mutes, policy, queries, schedule, scope, setup, sinks, "
        "sources"
    ),
    "SCHEDULE__DETECT": (
        "schedule.detect: 'x' is no duration: write a whole number and s, m, h or d, as in 30s, 5m, 24h, 30d"
    ),
    "SOURCES__0__URI": "sources is no table, so no key of it can be set: set sources as a whole",
}


@pytest.mark.parametrize(("name", "expected"), BAD_VARIABLES.items())
def test_a_mistake_in_a_variable_names_it(write: Write, name: str, expected: str) -> None:
    """What a variable said is told under the variable's name, and a variable without a key is a mistake."""
    path = write('[[sources]]\ntype = "local"\nuri = "x"')
    assert message(path, {f"FLOWAUDIT_{name}": "x"}) == f"FLOWAUDIT_{name}: {expected}"


def test_all_mistakes_are_told_at_once(write: Write) -> None:
    """Many mistakes make many lines, in file and variables alike, and none hides another."""
    path = write("""
        lake.url = "x"
        scope.keep = "none"
        schedule = { collect = "0s", detect = 5 }
        [[sources]]
        type = "s3"
        uri = "bucket"
        [[sources]]
        type = "local"
        uri = "ftp://host/x"
        [[sinks]]
    """)
    assert message(path, {"FLOWAUDIT_HTTP__LISTEN": "nowhere"}).splitlines() == [
        "FLOWAUDIT_HTTP__LISTEN: http.listen: must be host:port, as in 127.0.0.1:9184 or [::1]:9184",
        "flowaudit.toml: lake.url: no such key: did you mean uri?",
        "flowaudit.toml: schedule.collect: must be longer than nothing",
        "flowaudit.toml: schedule.detect: must be a duration in quotes, as in 30s, 5m, 24h, 30d",
        "flowaudit.toml: scope.keep: must be one of 'sagemaker' or 'all'",
        (
            "flowaudit.toml: sinks[0].type: is missing: "
            "there are webhook, slack, pagerduty, alertmanager, sns, sqs, eventbridge, security_hub and ocsf"
        ),
        "flowaudit.toml: sources[0].uri: must be s3://bucket/prefix/ (credentials come from AWS's own chain)",
        "flowaudit.toml: sources[1].uri: must be a path: a file, a folder or a glob",
    ]


def test_a_secret_in_an_address_is_not_repeated(write: Write) -> None:
    """Credentials written into an address are refused without being shown."""
    text = message(write('lake.uri = "s3://AKIA:hunter2@bucket/x"'), {"FLOWAUDIT_SOURCES": '[{type = "hunter2"}]'})
    assert "hunter2" not in text
    assert len(text.splitlines()) == 2


def test_a_file_that_is_not_there_is_told() -> None:
    """A named file must exist."""
    expected = "x.toml: there is no such file: name one with --config, or write it"
    assert message(Path("x.toml")) == expected
    assert message(None, {"FLOWAUDIT_CONFIG": "x.toml"}) == expected


def test_a_folder_is_no_file(folder: Path) -> None:
    """A folder in the file's place is told, also under the default name."""
    (folder / "flowaudit.toml").mkdir()
    assert message(None) == "flowaudit.toml: is a folder: name a file in it"


def test_a_file_that_cannot_be_read_is_told() -> None:
    """The operating system's reason is passed on."""
    assert message(Path("x" * 300)) == f"{'x' * 300}: cannot be read: File name too long"


def test_a_file_in_another_encoding_is_told(folder: Path) -> None:
    """Latin-1 is not UTF-8, and the byte is named."""
    (folder / "flowaudit.toml").write_bytes("# caf\xe9".encode("latin-1"))
    assert message(None) == "flowaudit.toml: is not UTF-8 text (byte 5): save it as UTF-8"


def test_broken_toml_is_told_with_its_line(write: Write) -> None:
    """A fault of syntax has its line and column."""
    assert message(write('[lake]\nuri = "x')).startswith("flowaudit.toml: is not TOML: ")
    assert "(at line 2, column 9)" in message(write('[lake]\nuri = "x\n'))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("-24h", NOW - timedelta(hours=24)),
        ("-7d", NOW - timedelta(days=7)),
        ("2026-05-04T12:00:00Z", NOW),
        ("2026-05-04t14:00:00+02:00", NOW),
        ("2026-05-04 11:59:59.5Z", NOW - timedelta(seconds=0.5)),
        ("2026-05-04", NOW.replace(hour=0)),
    ],
)
def test_times(text: str, expected: datetime) -> None:
    """RFC 3339, a date, `now` and a span ago are moments in UTC."""
    moment = parse_time(text, NOW)
    assert moment == expected
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "24h", "2026-05-04T12:00", "2026-13-01", "20260504", "0001-01-01T00:00:00+01:00", "-9999999d"],
)
def test_no_times(text: str) -> None:
    """What is no moment is refused with the forms that are."""
    with pytest.raises(ConfigError) as caught:
        parse_time(text, NOW)
    expected = f"{text!r} is no time: write RFC 3339 (2026-05-04T12:00:00Z), -24h, -7d or now"
    assert str(caught.value) == expected


def test_a_time_without_zone_is_refused() -> None:
    """Nobody's local time is guessed."""
    with pytest.raises(ConfigError, match=r"does not say its zone: append Z for UTC, or \+02:00"):
        parse_time("2026-05-04T12:00:00", NOW)


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "1h30m", "-5m", "1.5h", "٣m", "5M", "9" * 5000 + "s"])
def test_no_durations(text: str) -> None:
    """Only a whole number and one unit make a duration."""
    with pytest.raises(ConfigError, match="duration"):
        parse_duration(text)


def test_shipped_folders_are_found() -> None:
    """The folders at the root are found from a checkout, and a missing one is told."""
    assert (shipped("queries") / "detectors").is_dir()
    with pytest.raises(ConfigError, match="'nothing' that comes with flowaudit is missing"):
        shipped("nothing")
