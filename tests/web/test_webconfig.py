"""A web configuration file is read as the exporter toolkit reads it, and every mistake in it is named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from flowaudit.config.web import load
from flowaudit.errors import ConfigError

HASH = "$2b$04$" + "a" * 53
TLS = "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates, keys, and what is neither."""
    path, authority = tmp_path_factory.mktemp("web"), trustme.CA()
    made, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    (path / "tls.crt").write_bytes(made.cert_chain_pems[0].bytes())
    (path / "tls.key").write_bytes(made.private_key_pem.bytes())
    (path / "other.key").write_bytes(other.private_key_pem.bytes())
    (path / "ca.crt").write_bytes(authority.cert_pem.bytes())
    (path / "text").write_text("no certificate")
    key = serialization.load_pem_private_key(made.private_key_pem.bytes(), None)
    encrypted = serialization.BestAvailableEncryption(b"password")
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    (path / "encrypted.key").write_bytes(key.private_bytes(pem, form, encrypted))
    return path


def read(folder: Path, text: str) -> str:
    """What is wrong with a file."""
    file = folder / "web.yml"
    file.write_text(text)
    with pytest.raises(ConfigError) as failure:
        load(file)
    return str(failure.value).replace(str(folder), "")


def test_a_whole_file(folder: Path) -> None:
    """All that the exporter toolkit's documentation has and that can be done here."""
    file = folder / "web.yml"
    indented = {name: (folder / name).read_text().replace("\n", "\n    ") for name in ("tls.crt", "tls.key")}
    file.write_text(
        f"""
tls_server_config:
  cert: |
    {indented["tls.crt"]}
  key: |
    {indented["tls.key"]}
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus.example.com]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: true
http_server_config:
  http2: true
  headers:
    Strict-Transport-Security: max-age=63072000
basic_auth_users:
  prometheus: {HASH}
rate_limit:
  interval: 1m500ms
  burst: 20
"""
    )
    found = load(file)
    assert found.tls is not None
    assert {suite["name"] for suite in found.tls.get_ciphers() if suite["protocol"] != "TLSv1.3"} == {
        "ECDHE-RSA-AES128-GCM-SHA256"
    }
    assert found.config.rate_limit.interval == timedelta(minutes=1, milliseconds=500)
    assert found.config.http_server_config.headers == {"Strict-Transport-Security": "max-age=63072000"}


@pytest.mark.parametrize("text", ["", "basic_auth_users:\n", "{}", "# nothing\n"])
def test_an_empty_file_asks_for_nothing(text: str, tmp_path: Path) -> None:
    """As an empty section does."""
    file = tmp_path / "web.yml"
    file.write_text(text)
    assert load(file).tls is None
    assert load(file).config.basic_auth_users == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tls_server_config: {}", "tls_server_config: needs exactly one of cert_file and cert"),
        ("tls_server_config: {cert_file: tls.crt}", "tls_server_config: needs exactly one of key_file and key"),
        (TLS + "  cert: x\n", "needs exactly one of cert_file and cert"),
        (TLS.replace("tls.key", "other.key"), "certificate and key cannot be used together: key values mismatch"),
        (TLS.replace("tls.key", "encrypted.key"), "the key is encrypted: give one without a password"),
        (TLS.replace("tls.crt", "text"), "certificate and key cannot be used together"),
        (TLS.replace("tls.crt", "gone"), "/gone: there is no such file"),
        (TLS + "  client_auth_type: RequireAnyClientCert\n", "client_auth_type: must be one of 'NoClientCert'"),
        (
            TLS + "  client_auth_type: RequireAndVerifyClientCert\n",
            "client_auth_type and client_ca_file need each other",
        ),
        (TLS + "  client_ca_file: ca.crt\n", "client_auth_type and client_ca_file need each other"),
        (TLS + "  client_allowed_sans: [a]\n", "client_allowed_sans needs client_auth_type RequireAndVerifyClientCert"),
        (
            TLS + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: text\n",
            "tls_server_config.client_ca_file: holds no certificate",
        ),
        (TLS + "  min_version: TLS13\n  max_version: TLS12\n", "min_version is above max_version"),
        (TLS + "  min_version: SSL3\n", "min_version: must be one of"),
        (TLS + "  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n", "'TLS_RSA_WITH_RC4_128_SHA' is not supported"),
        (TLS + "  curve_preferences: [X25519]\n", "tls_server_config.curve_preferences: is not a known key"),
        ("tls_config: {}", "tls_config: is not a known key, or is not supported"),
        ("basic_auth_users: {a: plain-text-password}", "basic_auth_users.a: must be a bcrypt hash"),
        ("basic_auth_users: {a: $2b$15$" + "a" * 53 + "}", "basic_auth_users.a: its bcrypt cost is above 14"),
        ("basic_auth_users: {'a:b': $2b$10$" + "a" * 53 + "}", "basic_auth_users.a:b: must be a name without a colon"),
        ("basic_auth_users: [a]", "basic_auth_users: must be a mapping"),
        ("http_server_config: {headers: {X-Other: a}}", "http_server_config.headers.X-Other: must be one of"),
        ('http_server_config: {headers: {X-Frame-Options: "a\\nb: c"}}', "X-Frame-Options: must be one line of"),
        ("rate_limit: {interval: 1, burst: 1}", "rate_limit.interval: must be a duration, as in 200ms, 1s, 1m"),
        ("rate_limit: {interval: 1s, burst: 0}", "rate_limit.burst: Input should be greater than or equal to 1"),
        ("- a", "web.yml: must be a mapping of tls_server_config"),
        ("a: b: c", "web.yml, line 1: is not YAML"),
        ("\x00", "web.yml: is not YAML"),
        ("!!python/object/apply:os.system [id]", "web.yml, line 1: is not YAML"),
    ],
)
def test_mistakes(text: str, message: str, folder: Path) -> None:
    """Each with the file and the key, before anything is served."""
    assert message in read(folder, text)


def test_all_mistakes_at_once_and_no_secret(folder: Path) -> None:
    """A line each; what was written for a password is not repeated."""
    lines = read(folder, "basic_auth_users: {a: hunter2, b: swordfish}\nrate_limit: {burst: x}\n").splitlines()
    assert len(lines) == 3
    assert not any("hunter2" in line or "swordfish" in line for line in lines)
