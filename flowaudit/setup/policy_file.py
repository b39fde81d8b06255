"""The policy of the S3 endpoint in a file of the user's, as `flowaudit setup policy --output` writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flowaudit.errors import ConfigError, PolicyError
from flowaudit.policies import Policy

LONGEST = 20_480
"""Characters of an endpoint policy, white space included (Amazon VPC User Guide, "Amazon VPC quotas")."""


def policy_file(path: str) -> dict[str, Any]:
    """Return the policy in a file; raises ConfigError where it cannot be read, is no policy, or is too long."""
    try:
        text = Path(path).read_text("utf-8")
        Policy.parse(text)
        document: dict[str, Any] = json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"setup.s3_endpoint_policy: {path} cannot be read: {error}") from error
    except PolicyError as error:
        raise ConfigError(f"setup.s3_endpoint_policy: {path} is no policy: {error}") from error
    if (size := len(json.dumps(document))) > LONGEST:
        raise ConfigError(f"setup.s3_endpoint_policy: {path} has {size:,} characters: at most {LONGEST:,} are possible")
    return document
