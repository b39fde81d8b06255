"""What errors never say."""

from __future__ import annotations

import pytest

from flowaudit.errors import FlowauditError, LakeError, without_password


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:secret@127.0.0.1:9000/lake is closed", "http://127.0.0.1:9000/lake is closed"),
        ('endpoint URL: "https://token@s3.example.com"', 'endpoint URL: "https://s3.example.com"'),
        ("https://a:p%40ss@one and http://b:c@two", "https://one and http://two"),
        ("s3://bucket/key@2026 has no user", "s3://bucket/key@2026 has no user"),
        ("mail@example.com", "mail@example.com"),
    ],
)
def test_no_error_has_the_password_of_a_url(text: str, shown: str) -> None:
    """Whoever prints it, be it the program, the log or a page; what is no password stays."""
    assert without_password(text) == shown
    for kind in (FlowauditError, LakeError):
        assert str(kind(text)) == shown
