"""TLS as a probe speaks it: whom it trusts, how it proves itself, whose name it expects."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from probes.expectation import Finding
from probes.given_file import UnreadableFile, check_file
from probes.probe import ProbeError, Status


@dataclass(frozen=True, slots=True)
class Tls:
    """A probe's `tls = { … }`."""

    ca: str = ""
    """A file of CA certificates (PEM) to trust instead of the system's."""
    insecure: bool = False
    """Accept any certificate. Every summary then says so."""
    cert: str = ""
    """Client certificate (PEM), with its key in the same file or in `key`."""
    key: str = ""
    server_name: str = ""
    """The name to ask for and to verify instead of the address's own."""
    warn_days: float = 21.0
    """A certificate that expires in fewer days is a warning."""
    fail_days: float = 3.0
    """A certificate that expires in fewer days fails."""

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.key and not self.cert:
            yield "tls.key", "a key without a certificate: give tls.cert too"
        if self.insecure and self.ca:
            yield "tls.insecure", "accepts any certificate, so tls.ca does nothing: drop one"
        if self.fail_days < 0:
            yield "tls.fail_days", f"must be at least 0, not {self.fail_days:g}"
        if self.warn_days < self.fail_days:
            yield "tls.warn_days", f"warns only after it fails ({self.fail_days:g} days)"

    def context(self) -> ssl.SSLContext:
        """The context for these settings. Raises `ProbeError` for a file that can't be used."""
        if not (self.ca or self.insecure or self.cert):
            return _system_context()
        try:
            for named in filter(None, (self.ca, self.cert, self.key)):
                check_file(named)  # OpenSSL would wait for a FIFO
        except UnreadableFile as error:
            raise ProbeError(f"tls: {named} {error}") from error
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
        except (OSError, ssl.SSLError) as error:
            raise ProbeError(f"tls.ca {self.ca}: can't be read as certificates: {error}") from error
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert:
            try:
                # An empty password: OpenSSL would ask for one on the terminal otherwise.
                context.load_cert_chain(self.cert, self.key or None, password="")
            except (OSError, ssl.SSLError) as error:
                files = self.cert + (f" and {self.key}" if self.key else "")
                raise ProbeError(f"tls.cert {files}: can't be used: {error}") from error
        return context


def expires_at(connection: object) -> float | None:
    """When the certificate of the other side expires (epoch seconds), by its `ssl.SSLObject`; None
    without TLS, and where the certificate isn't checked."""
    peer = connection.getpeercert() if isinstance(connection, ssl.SSLObject) else None
    until = peer.get("notAfter") if peer else None
    return ssl.cert_time_to_seconds(until) if isinstance(until, str) else None


def judge_expiry(until: float | None, tls: Tls, now: float) -> list[Finding]:
    """A finding when the certificate expires soon. Pure."""
    if until is None:
        return []
    days = (until - now) / 86_400
    for limit, status in ((tls.fail_days, Status.FAILING), (tls.warn_days, Status.WARN)):
        if days < limit:
            left = f"expires in {days:.1f} days" if days < 10 else f"expires in {days:.0f} days"
            return [Finding(status, "certificate", f"valid for {limit:g} days", left)]
    return []


@cache
def _system_context() -> ssl.SSLContext:
    """The system's trust, loaded once: it takes some 15 ms."""
    return ssl.create_default_context()
