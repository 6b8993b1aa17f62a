"""`--serve-cert` by the real command and over real TLS, and links that outlive their engine."""

from __future__ import annotations

import datetime
import os
import signal
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from optibid_console import engine_record
from optibid_console.feed.certificate import fingerprint
from optibid_console.feed.link import parse_link
from tests.e2e.conftest import Home, until
from tests.e2e.test_share_command import Sharing
from tests.e2e.test_watching import JsonLines

pytestmark = pytest.mark.slow


class Pem:
    """A certificate and its key."""

    def __init__(self, days: int = 30) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "feed.example")])
        ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
        builder = builder.public_key(self.key.public_key()).serial_number(7)
        builder = builder.not_valid_before(ends - datetime.timedelta(days=60))
        self.certificate = builder.not_valid_after(ends).sign(self.key, hashes.SHA256())

    @property
    def text(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_text(self, password: bytes = b"") -> bytes:
        how = serialization.BestAvailableEncryption(password) if password else None
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            how or serialization.NoEncryption(),
        )  # fmt: skip

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate.public_bytes(serialization.Encoding.DER))


@pytest.fixture
def sharing(home: Home) -> Sharing:
    return Sharing(home)


def test_a_given_certificate_is_served_also_by_the_next_engine_to_the_same_links(
    sharing: Sharing,
) -> None:
    home, own, issuer = sharing.home, Pem(), Pem()
    file = home.path / "own.pem"
    file.write_bytes(own.key_text() + own.text + issuer.text)  # the key first, a chain behind
    first = sharing.engine("--serve", "127.0.0.1:0", "--serve-cert", "own.pem")
    made = sharing.run("share", "--name", "support")
    link = parse_link(made.stdout)
    assert link.fingerprint == own.fingerprint
    watching = JsonLines(home, made.stdout.strip())
    until(lambda: len(watching.entries()) >= len(home.entries()))
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    second = sharing.engine()
    assert sharing.run("hold", "--reason", "seen by all").returncode == 0
    until(lambda: watching.entries()[-1:] == [one.to_plain() for one in home.entries()][-1:])
    assert watching.entries() == [one.to_plain() for one in home.entries()]
    later = JsonLines(home, made.stdout.strip(), "--after", "2")
    until(lambda: later.entries())
    assert later.entries()[0]["seq"] == 3
    assert [one.fact.address for one in home.entries("sharing-started")] == [link.address]
    os.kill(second.pid, signal.SIGTERM)
    until(lambda: not engine_record.running())
    assert watching.process.wait(30) == 0


def test_a_certificate_of_another_kind_makes_old_links_void_and_says_so(sharing: Sharing) -> None:
    home, own, other = sharing.home, Pem(), Pem()
    file = home.path / "own.pem"
    file.write_bytes(own.text + own.key_text())
    first = sharing.engine("--serve", "127.0.0.1:0", "--serve-cert", str(file))
    link = sharing.run("share").stdout.strip()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    file.write_bytes(other.text + other.key_text())
    sharing.engine()
    until(lambda: len(home.entries("sharing-started")) == 2)
    refused = home.run("watch", "--json", env={**os.environ, "OPTIBID_LINK": link})
    assert refused.returncode == 3
    assert "has another certificate than the link says" in refused.stderr


def bad(kind: str) -> tuple[bytes, str]:
    """What is in the file, and what is said about it."""
    one, other, old, young = Pem(), Pem(), Pem(-1), Pem(90)
    return {
        "encrypted": (one.text + one.key_text(b"s3cret"), "its key has a password"),
        "no key": (one.text, "there is no key in it"),
        "no certificate": (one.key_text(), "there is no certificate in it"),
        "mismatch": (one.text + other.key_text(), "the key in it belongs to another certificate"),
        "expired": (old.text + old.key_text(), "expired on "),
        "early": (young.text + young.key_text(), "is valid from "),
        "garbage": (b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", "certificate"),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["encrypted", "no key", "no certificate", "mismatch", "garbage", "expired", "early"]
)
def test_a_certificate_that_can_t_be_used_is_said_before_anything_starts(
    sharing: Sharing, kind: str
) -> None:
    home = sharing.home
    file = home.path / "bad.pem"
    content, said = bad(kind)
    file.write_bytes(content)
    for line in (("engine", "--as", "svc"), ("share",)):
        ended = sharing.run(*line, "--serve", "127.0.0.1:0", "--serve-cert", "bad.pem")
        assert ended.returncode == 2, ended.stderr
        assert ended.stderr.startswith("--serve-cert: ")
        assert "bad.pem" in ended.stderr
        assert said in ended.stderr
    assert not home.journal.exists()
    assert not engine_record.running()


def test_run_refuses_such_a_certificate_too(home: Home) -> None:
    one = Pem()
    Path(home.path / "bad.pem").write_bytes(one.text)
    screen = home.terminal("run", "--serve", "127.0.0.1:0", "--serve-cert", "bad.pem")
    screen.until("there is no key in it")
    assert screen.process.wait(30) == 2
    assert not engine_record.running()
