"""TLS to a broker: CA pinned, and a wrong clock never silences it (requirements, rule 6).

```
 handshake --dates alone are wrong, clock untrusted--> again, dates not checked
                                                          |
              refused <--the certificate ended before a time that is past for sure
```
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.clock import Clock, Quality, parse_utc_form
from edge_agent.config.reading import ConfigError
from edge_agent.config.routes import TlsConfig

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h: everything but the dates is checked."""

DATE_ERRORS = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How to make a context for each connection; files are read anew, so they may be renewed."""

    ca_file: str
    cert_file: str | None = None
    key_file: str | None = None

    def context(self, check_dates: bool) -> ssl.SSLContext:
        """Return a context that trusts the one CA and checks the host name.

        Raises:
            OSError: a file is away or holds no certificate or key.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        if not check_dates:
            context.verify_flags = ssl.VerifyFlags(context.verify_flags | NO_CHECK_TIME)
        return context

    def ends_s(self) -> float | None:
        """Return when our own certificate ends (UNIX seconds), or None when there is none.

        Raises:
            OSError: it cannot be read, or is none.
        """
        if self.cert_file is None:
            return None
        text = Path(self.cert_file).read_text("ascii", "replace")
        try:
            begin = text.index("-----BEGIN CERTIFICATE-----")
            end = text.index("-----END CERTIFICATE-----", begin) + len("-----END CERTIFICATE-----")
            return end_of(ssl.PEM_cert_to_DER_cert(text[begin:end]))
        except ValueError as error:
            raise OSError(f"{self.cert_file}: {error}") from None


def make_tls(config: TlsConfig, table: str = "mqtt.tls") -> Tls:
    """Check the files once, at the start; `table` is what mistakes are named by.

    Raises:
        ConfigError: one of them cannot be used.
    """
    tls = Tls(config.ca_file, config.cert_file, config.key_file)
    for key, path in (("ca_file", config.ca_file), ("cert_file", config.cert_file)):
        if path is not None and not Path(path).is_file():
            raise ConfigError(f"{table}.{key}", f"no file {path!r}")
    if config.key_file is not None:
        try:
            mode = Path(config.key_file).stat().st_mode
        except OSError as error:
            raise ConfigError(f"{table}.key_file", f"cannot be read ({error.strerror})") from None
        if mode & 0o077:
            raise ConfigError(f"{table}.key_file", "others may read it: chmod 600")
    try:
        tls.context(check_dates=True)
        tls.ends_s()
    except OSError as error:
        raise ConfigError(table, f"not usable ({error})") from None
    return tls


def dates_floor_s(clock: Clock) -> float | None:
    """Return a time that is past for sure while nobody vouches for the host's clock, else None.

    OpenSSL goes by the host's clock; that a platform told the time makes no difference to it.
    """
    is_untrusted = clock.now().quality in (Quality.NONE, Quality.PLATFORM)
    return clock.floor_s() if is_untrusted else None


def is_about_dates(error: BaseException | None) -> bool:
    """Return whether a handshake failed for a certificate's dates alone."""
    return isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in DATE_ERRORS


def ended_before(peer: dict[str, Any] | None, floor_s: float) -> bool:
    """Return whether a peer's certificate had ended at a time that is past for sure.

    Args:
        peer: as of `SSLSocket.getpeercert`.
        floor_s: UNIX seconds that have passed, however wrong the clock may be.
    """
    ends = (peer or {}).get("notAfter")
    return ends is not None and ssl.cert_time_to_seconds(ends) < floor_s


def end_of(certificate: bytes) -> float:
    """Return the end of validity of a certificate (DER), UNIX seconds.

    Source: RFC 5280, sections 4.1 and 4.1.2.5: Certificate, TBSCertificate [0] version, serial,
    signature, issuer, validity; UTCTime before 2050, GeneralizedTime from then on.

    Raises:
        ValueError: it is no certificate.
    """
    try:
        _, tbs, _ = _element(certificate, _element(certificate, 0)[1])
        at = tbs
        skipped = 5 if certificate[at] == 0xA0 else 4
        for _ in range(skipped - 1):
            at = _element(certificate, at)[2]
        _, validity, _ = _element(certificate, at)
        tag, start, end = _element(certificate, _element(certificate, validity)[2])
        text = certificate[start:end].decode("ascii")
        form = "%y%m%d%H%M%SZ" if tag == 0x17 else "%Y%m%d%H%M%SZ"
        return parse_utc_form(text, form)
    except (IndexError, UnicodeDecodeError, ValueError):
        raise ValueError("not a certificate") from None


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, begin and end of a DER element's contents."""
    tag, length = data[at], data[at + 1]
    begin = at + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[begin : begin + size], "big")
        begin += size
    if begin + length > len(data):
        raise ValueError("cut short")
    return tag, begin, begin + length
