"""The certificate with which observers are served: a given one, or one that is made once."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import os
import ssl
from pathlib import Path

from optibid_console import paths
from optibid_console.source import SourceError
from probes.given_file import read_file

DAYS = 3650
"""It is known by its fingerprint: nobody looks at its dates, but some libraries do."""


def fingerprint(der: bytes) -> str:
    """Base64url of a certificate's SHA-256, without padding: 43 characters."""
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def server_context(given: str = "") -> tuple[ssl.SSLContext, str]:
    """How to serve TLS with a given PEM file (certificate, then key), or with the console's own,
    and the certificate's fingerprint. Blocks. Raises `SourceError`."""
    path = Path(given) if given else own_certificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    pem = ""
    try:
        pem = read_file(path).decode()
        der = _first(pem)
        context.load_cert_chain(path, password=lambda: "")  # never asks at a terminal
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path} can't be used as certificate: {_why_not(pem, error)}; it has to be a PEM file "
            "with the certificate and its key without a password"
        ) from error
    return context, fingerprint(der)


def check_dates(given: str) -> None:
    """Who gives a certificate wants one that is valid now: libraries and proxies refuse others.
    Blocks. Raises `SourceError`."""
    from cryptography import x509

    try:
        certificate = x509.load_der_x509_certificate(_first(read_file(given).decode()))
    except (OSError, ValueError) as error:
        raise SourceError(f"{given} can't be read as certificate: {error}") from error
    now = datetime.datetime.now(datetime.UTC)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins <= now <= ends:
        how = f"expired on {ends:%Y-%m-%d}" if now > ends else f"is valid from {begins:%Y-%m-%d} on"
        raise SourceError(f"{given} {how}: give a certificate that is valid now")


def _first(pem: str) -> bytes:
    """The first certificate of a PEM file, as DER. Raises `ValueError`."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    if begin not in pem or end not in pem:
        raise ValueError("there is no certificate in it")
    first = pem[pem.index(begin) :]
    return ssl.PEM_cert_to_DER_cert(first[: first.index(end) + len(end)])


def _why_not(pem: str, error: Exception) -> str:
    """What OpenSSL doesn't say: it calls most of it `PEM lib`."""
    if not isinstance(error, ssl.SSLError):
        return getattr(error, "strerror", None) or str(error)
    if "PRIVATE KEY-----" not in pem:
        return "there is no key in it"
    if "ENCRYPTED" in pem:
        return "its key has a password"
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key in it belongs to another certificate"
    return error.strerror or str(error)


def client_context() -> ssl.SSLContext:
    """For who checks the fingerprint itself: no authority and no name vouches for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def own_certificate() -> Path:
    """The console's own certificate and key in the state directory, of mode 0600; made when it
    isn't there. Raises `SourceError`."""
    path = paths.state_dir() / "feed" / "certificate.pem"
    if not path.exists():
        try:
            paths.make_private(path.parent)
            _place(path, _made())
        except OSError as error:
            raise SourceError(f"{path} can't be made: {error.strerror or error}") from error
    return path


def _place(path: Path, pem: bytes) -> None:
    """The file appears whole or not at all; of two that make it at once, one is kept."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink()


def _made() -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, paths.APP)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
