"""The web configuration file: TLS, basic authentication, headers, rate limit.

Its format is that of Prometheus' exporter toolkit (github.com/prometheus/exporter-toolkit, docs/web-configuration.md):
one file serves all exporters.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from flowaudit.errors import ConfigError

__all__ = ["RateLimit", "Secured", "WebConfig", "files", "load", "parse", "secured"]

Version = Literal["TLS10", "TLS11", "TLS12", "TLS13"]
VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
"""Client authentication that OpenSSL can do; certificates that are requested and not verified prove nothing."""
CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
"""Cipher suites up to TLS 1.2 by the names of the exporter toolkit, which are IANA's, and by OpenSSL's."""
TLS13_CIPHERS = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
"""Always offered: neither the exporter toolkit nor Python lets anybody choose among them."""
BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}", re.ASCII)
MAX_COST = 14
"""A second of CPU or so; a higher cost would let anybody who knows a user's name keep the daemon busy."""
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)


def _duration(text: object) -> object:
    """Return what `200ms`, `1s` or `1m30s` means; `0` is none."""
    if text in (0, "0"):
        return timedelta()
    found = _DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if not found:
        raise ValueError("must be a duration, as in 200ms, 1s, 1m")
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)


def _hash(text: str) -> str:
    if not BCRYPT.fullmatch(text):
        raise ValueError("must be a bcrypt hash, as `htpasswd -nBC 10 USER` prints it")
    if int(text[4:6]) > MAX_COST:
        raise ValueError(f"its bcrypt cost is above {MAX_COST}: use 10")
    return text


def _user(name: str) -> str:
    if not name or ":" in name:
        raise ValueError("must be a name without a colon, which ends the name in basic authentication")
    return name


def _line(text: str) -> str:
    if not text.isprintable() or not text.isascii():
        raise ValueError("must be one line of printable ASCII")
    return text


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)


class Tls(_Section):
    """TLS of the server; a certificate and a key each as a file or in place."""

    cert_file: str = ""
    key_file: str = ""
    cert: str = ""
    key: str = ""
    client_ca_file: str = ""
    client_ca: str = ""
    client_auth_type: Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] = "NoClientCert"
    client_allowed_sans: tuple[str, ...] = ()
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True

    @model_validator(mode="after")
    def _whole(self) -> Tls:
        for one in ("cert", "key"):
            if bool(getattr(self, one)) == bool(getattr(self, f"{one}_file")):
                raise ValueError(f"needs exactly one of {one}_file and {one}")
        if self.client_ca and self.client_ca_file:
            raise ValueError("has both client_ca_file and client_ca: choose one")
        has_ca = bool(self.client_ca or self.client_ca_file)
        if has_ca != (self.client_auth_type != "NoClientCert"):
            raise ValueError("client_auth_type and client_ca_file need each other")
        if self.client_allowed_sans and self.client_auth_type != "RequireAndVerifyClientCert":
            raise ValueError("client_allowed_sans needs client_auth_type RequireAndVerifyClientCert")
        if unknown := [name for name in self.cipher_suites if name not in CIPHERS and name not in TLS13_CIPHERS]:
            raise ValueError(f"cipher_suites: {unknown[0]!r} is not supported: there are {', '.join(CIPHERS)}")
        if VERSIONS[self.min_version] > VERSIONS[self.max_version]:
            raise ValueError("min_version is above max_version")
        return self


class Http(_Section):
    """Headers of every response; `http2` is accepted for files that other exporters share: HTTP/1.1 is served."""

    http2: bool = True
    headers: Mapping[
        Literal[
            "Content-Security-Policy",
            "Strict-Transport-Security",
            "X-Content-Type-Options",
            "X-Frame-Options",
            "X-XSS-Protection",
        ],
        Annotated[str, AfterValidator(_line)],
    ] = Field(default_factory=dict)


class RateLimit(_Section):
    """One request each `interval` (0: no limit), and `burst` at once."""

    interval: Annotated[timedelta, BeforeValidator(_duration)] = timedelta()
    burst: Annotated[int, Field(ge=1)] = 1


class WebConfig(_Section):
    """The whole file."""

    tls_server_config: Tls | None = None
    http_server_config: Http = Http()
    basic_auth_users: Mapping[Annotated[str, AfterValidator(_user)], Annotated[str, AfterValidator(_hash)]] = Field(
        default_factory=dict
    )
    rate_limit: RateLimit = RateLimit()


@dataclass(frozen=True, slots=True)
class Secured:
    """A web configuration that is ready for use, with the TLS context it asks for."""

    config: WebConfig = field(default_factory=WebConfig)
    tls: ssl.SSLContext | None = None


def load(path: Path) -> Secured:
    """Read and check a web configuration file; raises ConfigError with every mistake, never with a secret."""
    return secured(path, parse(path))


def secured(path: Path, config: WebConfig) -> Secured:
    """Read the files that a web configuration names; raises ConfigError."""
    return Secured(config, _context(path, config.tls_server_config) if config.tls_server_config else None)


def files(path: Path, config: WebConfig) -> Iterator[Path]:
    """Yield every file that a web configuration file names."""
    if tls := config.tls_server_config:
        for name in filter(None, (tls.cert_file, tls.key_file, tls.client_ca_file)):
            yield _beside(path, name)


def _beside(path: Path, name: str) -> Path:
    """Return a file that the web configuration names: relative names start at its folder."""
    return path.parent / name


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{file}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise ConfigError(f"{file}: cannot be read: {reason}") from None


def parse(path: Path) -> WebConfig:
    """Read a web configuration file, and none of those that it names; raises ConfigError."""
    try:
        tree = yaml.safe_load(_read(path))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}, line {line}: is not YAML: {error.problem}") from None
    except yaml.YAMLError:
        raise ConfigError(f"{path}: is not YAML text") from None
    if not isinstance(tree, dict | None):
        raise ConfigError(
            f"{path}: must be a mapping of tls_server_config, http_server_config, basic_auth_users, rate_limit"
        )
    try:
        return WebConfig.model_validate(_tuples(tree or {}))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise ConfigError("\n".join(sorted(f"{path}: {_mistake(detail)}" for detail in details))) from None


def _tuples(tree: Any) -> Any:  # noqa: ANN401  YAML
    """Return YAML's lists as the tuples that frozen values have, and an empty section as an empty mapping."""
    if isinstance(tree, dict):
        return {
            key: _tuples({} if value is None and key in WebConfig.model_fields else value)
            for key, value in tree.items()
        }
    return tuple(map(_tuples, tree)) if isinstance(tree, list) else tree


def _mistake(detail: Mapping[str, Any]) -> str:
    place = ".".join(map(str, detail["loc"])).removesuffix(".[key]")
    match detail["type"]:
        case "extra_forbidden":
            what = "is not a known key, or is not supported"
        case "value_error":
            what = str(detail["ctx"]["error"])
        case "literal_error":
            what = f"must be one of {detail['ctx']['expected']}"
        case "model_type" | "dict_type" | "mapping_type" | "model_attributes_type":
            what = "must be a mapping"
        case _:
            what = detail["msg"]
    return f"{place}: {what}"


def _context(path: Path, tls: Tls) -> ssl.SSLContext:
    """Return the TLS context of a server; raises ConfigError where a certificate or a key is not one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = VERSIONS[tls.min_version], VERSIONS[tls.max_version]
    if suites := [CIPHERS[name] for name in tls.cipher_suites if name in CIPHERS]:
        context.set_ciphers(":".join(suites))
    if tls.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    cert = tls.cert or _read(_beside(path, tls.cert_file))
    key = tls.key or _read(_beside(path, tls.key_file))
    _load_chain(path, context, cert, key)
    context.verify_mode = VERIFY[tls.client_auth_type]
    if context.verify_mode != ssl.CERT_NONE:
        authority = tls.client_ca or _read(_beside(path, tls.client_ca_file))
        try:
            context.load_verify_locations(cadata=authority)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(f"{path}: tls_server_config.client_ca_file: holds no certificate: {error}") from None
    return context


def _load_chain(path: Path, context: ssl.SSLContext, cert: str, key: str) -> None:
    """Load a certificate with its key, as read at one time; OpenSSL takes files only."""
    with TemporaryDirectory(prefix="flowaudit-") as folder:  # readable by this user only
        files = Path(folder, "cert.pem"), Path(folder, "key.pem")
        for file, text in zip(files, (cert, key), strict=True):
            file.touch(mode=0o600)
            file.write_text(text, "utf-8")
        try:
            context.load_cert_chain(*files, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            reason = error.reason if isinstance(error, ssl.SSLError) and error.reason else str(error)
            raise ConfigError(
                f"{path}: tls_server_config: certificate and key cannot be used together: "
                f"{reason.lower().replace('_', ' ')}"
            ) from None


def _no_password() -> str:
    raise ValueError("the key is encrypted: give one without a password")
