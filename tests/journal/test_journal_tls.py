"""A team's journal over TLS, with `sslmode=verify-full`: who answers must prove who it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from optibid_console.cli.main import main
from optibid_console.entries import Held
from optibid_console.journal import places, postgres_link
from optibid_console.journal.following import JournalWatch
from optibid_console.journal.journal import JournalAway, JournalError
from optibid_console.journal.lease import this_engine
from optibid_console.journal.postgres import PostgresJournal
from optibid_console.journal_place import Address, parse_address
from tests.servers.postgres import DEBIAN, PostgresServer
from tests.servers.team import Team

pytestmark = pytest.mark.server("postgresql 15")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `ca.pem`, which signed the server's certificate, and `other.pem`."""
    place = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(place / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(place / "other.pem"))
    issued = ca.issue_cert("localhost")
    issued.private_key_pem.write_to_path(str(place / "server.key"))
    issued.cert_chain_pems[0].write_to_path(str(place / "server.pem"))
    return place


@pytest.fixture(scope="module")
def secure(authority: Path) -> Iterator[Team]:
    """A team's database that is only reached over TLS, as `localhost`."""
    server = PostgresServer(DEBIAN, ("ssl=on",))
    for name in ("server.key", "server.pem"):
        kept = server.data / name.replace(".pem", ".crt")
        kept.write_bytes((authority / name).read_bytes())
        kept.chmod(0o600)
        status = server.data.stat()
        os.chown(kept, status.st_uid, status.st_gid)
    rules = server.data / "pg_hba.conf"
    lines = [one for one in rules.read_text().splitlines() if one.startswith("local")]
    rules.write_text("\n".join([*lines, "hostssl all all 127.0.0.1/32 scram-sha-256", ""]))
    before = os.environ.get("PGPASSWORD")
    os.environ["PGPASSWORD"] = server.password
    try:
        server.start()
        yield Team(server)
    finally:
        server.remove()
        if before is None:
            del os.environ["PGPASSWORD"]
        else:
            os.environ["PGPASSWORD"] = before


@pytest.fixture
def address(secure: Team, authority: Path) -> Address:
    plain = secure.address()
    text = str(replace(plain, host="localhost"))
    made = parse_address(f"{text}&sslmode=verify-full&sslrootcert={authority / 'ca.pem'}")
    return places.own_address(made, "Window", rehearsal=False)


async def test_it_is_written_followed_and_verified(secure: Team, address: Address) -> None:
    journal = await PostgresJournal.open(address)
    await journal.acquire("ann", this_engine())
    watch = JournalWatch(replace(address, user="optibid_observer", window=""), "zoe")
    first = await journal.append("ann", Held("x"))
    seen = []
    async with asyncio.timeout(30):
        async for event in watch.events():
            seen.append(event)
            if event == first:
                break
    found = secure.execute(
        "SELECT ssl, usename FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        "WHERE datname = current_database() AND application_name = 'optibid-console journal'"
    )
    assert {name for _, name in found} == {"optibid_operator", "optibid_observer"}
    assert all(encrypted for encrypted, _ in found)
    await watch.close()
    await journal.close()
    assert places.verify(address).entries >= 1


WRONG = [
    ("host", "127.0.0.1", "ca.pem", "does not match host name"),
    ("authority", "localhost", "other.pem", "certificate verify failed"),
    ("file", "localhost", "none.pem", "does not exist"),
]


@pytest.mark.parametrize(("what", "host", "ca", "says"), WRONG, ids=[one[0] for one in WRONG])
async def test_who_cannot_prove_it_is_sent_nothing(
    address: Address, authority: Path, what: str, host: str, ca: str, says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    options = (("sslmode", "verify-full"), ("sslrootcert", str(authority / ca)))
    wrong = replace(address, host=host, options=options)
    with pytest.raises(JournalError, match=says) as caught:
        await PostgresJournal.open(wrong)
    assert not isinstance(caught.value, JournalAway)  # it doesn't go on by itself
    assert f"{wrong.server} can't be opened: " in str(caught.value)
    assert "nothing was sent: check sslmode, sslrootcert" in str(caught.value)
    with pytest.raises(JournalError, match=says):
        async for _ in JournalWatch(wrong, "zoe").events():
            pass
    url = str(replace(wrong, user="postgres", window=""))
    assert await asyncio.to_thread(main, ["journal", "init", url]) == 2
    assert says in capsys.readouterr().err


def test_init_over_tls(secure: Team, address: Address, capsys: pytest.CaptureFixture[str]) -> None:
    url = str(replace(address, user="postgres", window=""))
    assert main(["journal", "init", url]) == 0
    said = capsys.readouterr().out
    assert "sslmode=verify-full" in said.splitlines()[-1]  # the address to go on with has it too
    plain = replace(address, host="127.0.0.1", options=(("sslmode", "disable"),))
    with pytest.raises(JournalError, match="no encryption"):
        postgres_link.connect(plain, writable=False)
