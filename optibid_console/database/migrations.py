"""Which migrations a database has, and which files wait for it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from optibid_console.database.records import KNOWN, Records, Row, number
from probes.text import counted, one_line

LISTING = """cd -- {directory} && for file in [0-9]*.sql; do
[ -f "$file" ] || continue
if grep -qiE '^--[[:space:]]*data-only' <"$file"; then echo "data $file"; else echo "file $file"; fi
done"""
"""Shell text that lists the migration files of a directory, `data` where a comment line
`-- data-only` says that one changes no schema."""

RESOLVE = """release={revision} directory={directory}
top=$(git rev-parse --show-toplevel) || exit
prefix=$(git rev-parse --show-prefix) || exit
commit=$(git rev-parse --quiet --verify "$release^{{commit}}") || {{
  echo "the checkout $top has no revision $release: fetch it there (git fetch --tags)" >&2
  exit 3
}}
tree=$commit:$prefix$directory
[ "$(git cat-file -t "$tree" 2>/dev/null)" = tree ] || {{
  echo "$release has no directory $prefix$directory" >&2
  exit 3
}}
"""
"""Shell text that finds a release's directory of migrations, `tree`, in the checkout around it."""

SAME = b"same\n"
"""What `RELEASE_LISTING` prints when the release is still the commit that is `known`."""

RELEASE_LISTING = (
    """known={known}
if [ "$known" ] && at=$(git rev-parse --quiet --verify {revision}"^{{commit}}") &&
  [ "$at" = "$known" ]; then
  echo same
  exit 0
fi
"""
    + RESOLVE
    + """listed=$(git ls-tree "$tree") || exit
marked=$(git grep -liE '^--[[:space:]]*data-only' "$tree" -- '[0-9]*.sql')
[ $? -le 1 ] || exit
echo "release $release $commit"
end='
'
printf '%s\\n' "$listed" | while read -r mode type hash name; do
  case $name in [0-9]*.sql | '"'[0-9]*.sql'"') ;; *) continue ;; esac
  case $mode$name in
  100*'"') echo "$release has a file whose name can't be read: $name" >&2; exit 3 ;;
  100*) ;;
  *) echo "$name in $release is no regular file" >&2; exit 3 ;;
  esac
  case $end$marked$end in
  *[:/]"$name$end"*) echo "data $name" ;;
  *) echo "file $name" ;;
  esac
done"""
)
"""Shell text that prints what `LISTING` does, of a release in git, after `release NAME COMMIT`. A
commit's files never change: while the release is the one that is `known`, one git process is all
that it costs."""

CHECKSUMS = """cd -- {directory} && for file in {files}; do
sum=$(sha256sum <"$file") || exit
echo "${{sum%% *}} $file"
done"""
"""Shell text that prints the SHA-256 of each of these files in a directory, as `sha256sum` does."""

RELEASE_CHECKSUMS = (
    RESOLVE
    + """for file in {files}; do
git cat-file -e "$tree/$file" || exit
sum=$(git cat-file blob "$tree/$file" | sha256sum) || exit
echo "${{sum%% *}} $file"
done"""
)
"""Shell text that prints what `CHECKSUMS` does, of a release in git."""

DIFFERING = (
    RESOLVE
    + """[ -d "$directory" ] || exit 0
listed=$(git ls-tree "$tree") || exit
printf '%s\\n' "$listed" | while read -r mode type hash name; do
  case $name in [0-9]*.sql) ;; *) continue ;; esac
  if [ ! -f "$directory/$name" ]; then echo "missing $name"
  elif [ "$(git hash-object -- "$directory/$name")" != "$hash" ]; then echo "changed $name"
  fi
done || exit
for file in "$directory"/[0-9]*.sql; do
  [ -f "$file" ] || continue
  name=${{file##*/}}
  git cat-file -e "$tree/$name" 2>/dev/null || echo "extra $name"
done"""
)
"""Shell text that compares the files in a directory with those of a release: a line for each that
is `missing`, `changed` or `extra`. Nothing where there is no such directory."""

BY_QUERY = "`applied` gives"
"""Begins what is unknown where the runbook's own query says what is applied."""

_FILE = re.compile(r"\d.*\.sql", re.I)


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """`004_market_prices.sql` on a target."""

    name: str
    """Without `.sql`."""
    data_only: bool = False

    @property
    def number(self) -> str:
        return number(self.name)


@dataclass(frozen=True, slots=True)
class Migrations:
    """What the database records and the files say together, all by name, in their order."""

    applied: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    """Files without a row of success."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Rows with `success = false` → their `error_message`."""
    data_only: tuple[str, ...] = ()
    """Those whose file says that it changes no schema."""
    release: str = ""
    """Where the files are from: `v2.4.0 (1f2e3d4c5)`; empty: whatever is in the directory."""
    failed_at: Mapping[str, float] = field(default_factory=dict)
    """The same rows → when they were written: seconds since the epoch, UTC."""
    unknown: str = ""
    """Why the database doesn't say which of the pending files it has; empty: it does."""
    lacks: tuple[str, ...] = ()
    """The columns of `schema_migrations` that the console's runner needs and that aren't there."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Each file's `version` where the console records it: its number, or its name where another
    file has the same number."""


def files_of(listing: bytes) -> tuple[MigrationFile, ...]:
    """The files that `LISTING` printed, by number."""
    found = []
    for line in listing.decode("utf-8", "replace").splitlines():
        kind, _, name = line.partition(" ")
        if kind in ("data", "file") and _FILE.fullmatch(name):
            found.append(MigrationFile(one_line(name[:-4], 120), kind == "data"))
    return tuple(sorted(found, key=lambda one: (int(one.number), one.name)))


def release_of(listing: bytes) -> str:
    """Returns the release and its commit as `RELEASE_LISTING` printed them: `v2 (1f2e3d4c5)`."""
    head = listing.decode("utf-8", "replace").partition("\n")[0].split(" ")
    if len(head) < 3 or head[0] != "release":
        return ""
    return f"{one_line(' '.join(head[1:-1]), 80)} ({head[-1][:9]})"


def commit_of(listing: bytes) -> str:
    """Returns the commit of the release that was listed; empty when none was."""
    head = listing.decode("utf-8", "replace").partition("\n")[0].split(" ")
    found = head[-1] if head[0] == "release" else ""
    return found if re.fullmatch("[0-9a-f]{40,64}", found) else ""


def difference_words(differing: bytes) -> str:
    """Returns what `DIFFERING` printed in words: `without 004_prices, with another 002_users`."""
    found: dict[str, list[str]] = {}
    for line in differing.decode("utf-8", "replace").splitlines():
        kind, _, name = line.partition(" ")
        found.setdefault(kind, []).append(one_line(name.removesuffix(".sql"), 120))
    words = {"missing": "without", "changed": "with another", "extra": "with its own"}
    return ", ".join(
        f"{said} {', '.join(found[kind])}" for kind, said in words.items() if kind in found
    )


def migrations_of(
    rows: Sequence[Row],
    files: Iterable[MigrationFile],
    release: str = "",
    records: Records = KNOWN,
) -> Migrations:
    """Returns what rows and files say together."""
    listed = tuple(files)
    by_number: dict[str, tuple[str, ...]] = {}
    for file in listed:
        by_number[file.number] = (*by_number.get(file.number, ()), file.name)
    if records.cumulative:
        rows = _up_to(rows, listed)
    by_label, unclear = _matched(rows, by_number)
    # in the order of the rows, the last row of each
    place = {id(row): at for at, row in enumerate(rows)}
    names = sorted(by_label, key=lambda one: place[id(by_label[one])])
    applied = tuple(one for one in names if by_label[one].success)
    there = set(applied)
    pending = tuple(one.name for one in listed if one.name not in there)
    return Migrations(
        applied,
        pending,
        {one: one_line(by_label[one].error, 300) for one in names if not by_label[one].success},
        tuple(one.name for one in listed if one.data_only),
        release,
        {one: row.at for one, row in by_label.items() if not row.success and row.at is not None},
        "; ".join((*_unclear_words(unclear, records), *records.unknown(rows))) if pending else "",
        records.lacks,
        {one.name: _version(one, by_number) for one in listed},
    )


def _version(file: MigrationFile, by_number: Mapping[str, Sequence[str]]) -> str:
    digits = re.match(r"\d+", file.name)
    return digits[0] if digits and len(by_number[file.number]) == 1 else file.name


def _matched(
    rows: Sequence[Row], by_number: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, Row], list[tuple[Row, tuple[str, ...]]]]:
    """Returns the last row of each migration by its name, and the rows that may stand for several
    files: each names its file, or has a number that no other file has."""
    by_label: dict[str, Row] = {}
    unclear: list[tuple[Row, tuple[str, ...]]] = []
    for row in sorted(rows, key=lambda one: one.at or 0.0):
        of_number = by_number.get(number(row.version), ())
        found = tuple(one for one in of_number if one in row.names)[:1] or of_number
        if len(found) > 1:
            unclear.append((row, found))
        else:
            by_label[found[0] if found else row.label] = row
    return by_label, [one for one in unclear if not any(name in by_label for name in one[1])]


def _up_to(rows: Sequence[Row], files: Sequence[MigrationFile]) -> list[Row]:
    """Returns a row for each file that a table of one row stands for: all up to its version."""
    found = []
    for row in rows:
        last = int(number(row.version)) if number(row.version).isdecimal() else -1
        for file in files:
            if int(file.number) <= last:
                success = row.success or int(file.number) < last
                found.append(Row(file.name, "", success))
    return found


def _unclear_words(
    unclear: Iterable[tuple[Row, tuple[str, ...]]], records: Records
) -> Iterator[str]:
    for row, names in unclear:
        said, files = one_line(row.label, 60), " or ".join(names)
        if records.asked:
            yield f"{BY_QUERY} {said}, which may be {files}: let it give their names"
        else:
            yield f"row {said} of schema_migrations may be {files}"


def shared_numbers(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Returns the migrations that share a number with another one, a tuple for each number."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        found.setdefault(number(name), []).append(name)
    return tuple(tuple(one) for one in found.values() if len(one) > 1)


def shared_words(names: Sequence[str]) -> str:
    """Returns that these files have one number, and what is done about it."""
    head = re.match(r"\d*", names[0])
    said = f"{counted(len(names), 'file')} have the number {head[0] if head else ''}"
    return f"{said}: {', '.join(names)}; each is recorded by its name, and applied in this order"
