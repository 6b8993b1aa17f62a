"""A release of the stand-in OptiBid: a directory with a `release.json` and its migrations."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from optibid_console.demo.fault import Fault
from optibid_console.demo.place import NEXT, PREVIOUS, Place
from optibid_console.demo.postgres import SQL


@dataclass(frozen=True, slots=True)
class Release:
    """What a release serves."""

    version: str
    price_column: str
    """The column of `market_prices` that it shows: a migration may have to bring it."""
    fault: Fault | None = None


def read_release(directory: Path) -> Release:
    """The release in `directory`. Raises `OSError`, `KeyError` or `ValueError`."""
    said = json.loads((directory / "release.json").read_text())
    fault = said.get("fault")
    return Release(
        said["version"],
        said["price_column"],
        Fault(fault["after_s"], fault["ramp_s"]) if fault else None,
    )


def write_releases(place: Place, fault: Fault) -> None:
    """Both releases, and the symlink `current` on the previous one."""
    releases = place.host / "releases"
    _write(releases / PREVIOUS, {"version": PREVIOUS, "price_column": "price"})
    _write(
        releases / NEXT,
        {
            "version": NEXT,
            "price_column": "settlement_price",
            "fault": {"after_s": fault.after_s, "ramp_s": fault.ramp_s},
        },
    )
    migrations = releases / NEXT / "database" / "migrations"
    shutil.copy(SQL / "004_market_prices.sql", migrations)
    place.current.symlink_to(Path("releases") / PREVIOUS)


def _write(directory: Path, said: dict[str, object]) -> None:
    (directory / "database" / "migrations").mkdir(parents=True)
    (directory / "release.json").write_text(json.dumps(said, indent=2) + "\n")
