"""Logs and lake both in a bucket of a real S3 server, credentials in the environment, the whole road by command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Seaweed
from tests.flowlogs import egress, write

KEY = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/01/01/"
NAME = "123456789012_vpcflowlogs_us-east-1_fl-0abc1234_20260101T0000Z_0a1b2c3d.log.gz"
WITHOUT_HTTPFS = "import sys; sys.modules['duckdb_extension_httpfs'] = None; from flowaudit.cli import main; main()"
WITH_HTTPFS = "from flowaudit.cli import main; main()"


@pytest.mark.parametrize("program", [WITH_HTTPFS, WITHOUT_HTTPFS], ids=["httpfs", "arrow"])
def test_everything_works_on_s3_with_credentials_from_the_environment(
    seaweed: Seaweed, tmp_path: Path, program: str
) -> None:
    """Collect, detect, findings, ad-hoc SQL and one cycle of the daemon, with and without the optional reader."""
    bucket = f"logs-{'with' if program is WITH_HTTPFS else 'without'}"
    _upload(seaweed, bucket, write(tmp_path / NAME, egress(size=7)))
    config = tmp_path / "flowaudit.toml"
    config.write_text(
        f'[lake]\nuri = "s3://{bucket}/lake"\n[[sources]]\ntype = "s3"\nuri = "s3://{bucket}/"\nlookback = "90000d"\n'
    )

    def flowaudit(*words: str) -> Any:
        command = [sys.executable, "-c", program, "--config", str(config), *words]
        done = subprocess.run(command, env=_environment(seaweed), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert flowaudit("run", "--once", "--format", "json")
    (finding,) = flowaudit("findings", "--format", "json")
    assert (finding["detector"], finding["bytes"]) == ("internet-egress-bypasses-nat", 7)
    assert flowaudit("sql", "SELECT sum(bytes) AS bytes FROM flows", "--format", "json") == [{"bytes": 7}]
    assert flowaudit("collect", "--format", "json")["objects"] == 0


def _upload(seaweed: Seaweed, bucket: str, path: Path) -> None:
    import boto3  # noqa: PLC0415

    client = boto3.client(
        "s3",
        endpoint_url=seaweed.endpoint,
        region_name=seaweed.region,
        aws_access_key_id=seaweed.access_key,
        aws_secret_access_key=seaweed.secret_key,
    )
    client.create_bucket(Bucket=bucket)
    client.upload_file(str(path), bucket, KEY + NAME)


def _environment(seaweed: Seaweed) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return inherited | {
        "AWS_ACCESS_KEY_ID": seaweed.access_key,
        "AWS_SECRET_ACCESS_KEY": seaweed.secret_key,
        "AWS_REGION": seaweed.region,
        "AWS_ENDPOINT_URL": seaweed.endpoint,
    }
