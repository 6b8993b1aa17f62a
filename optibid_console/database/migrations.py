"""Which migrations a database has, and which files wait for it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from probes.text import one_line

MIGRATIONS = """
SELECT DISTINCT ON (version) version::text, coalesce(name::text, ''), coalesce(success, false),
    coalesce(left(error_message::text, 1000), '')
FROM schema_migrations ORDER BY version, applied_at DESC NULLS LAST LIMIT 10000
"""
"""The last row that each version has."""

HAS_TABLE = "SELECT to_regclass('schema_migrations') IS NOT NULL"

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

RELEASE_LISTING = (
    RESOLVE
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
"""Shell text that prints what `LISTING` does, of a release in git, after `release NAME COMMIT`."""

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
    """What `schema_migrations` and the files say together, all by name, in their order."""

    applied: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    """Files without a row of success."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Rows with `success = false` → their `error_message`."""
    data_only: tuple[str, ...] = ()
    """Those whose file says that it changes no schema."""
    release: str = ""
    """Where the files are from: `v2.4.0 (1f2e3d4c5)`; empty: whatever is in the directory."""


def number(version: str) -> str:
    """`004`, `4`, `V4` and `004_market_prices` are the same version: `4`."""
    head = re.match(r"\s*v?0*(\d*)", version, re.I)
    return head[1] if head and head[1] else version.strip().lower()


def files_of(listing: bytes) -> tuple[MigrationFile, ...]:
    """The files that `LISTING` printed, by number."""
    found = []
    for line in listing.decode("utf-8", "replace").splitlines():
        kind, _, name = line.partition(" ")
        if kind in ("data", "file") and _FILE.fullmatch(name):
            found.append(MigrationFile(one_line(name[:-4], 120), kind == "data"))
    return tuple(sorted(found, key=lambda one: (int(number(one.name) or 0), one.name)))


def release_of(listing: bytes) -> str:
    """Returns the release and its commit as `RELEASE_LISTING` printed them: `v2 (1f2e3d4c5)`."""
    head = listing.decode("utf-8", "replace").partition("\n")[0].split(" ")
    if len(head) < 3 or head[0] != "release":
        return ""
    return f"{one_line(' '.join(head[1:-1]), 80)} ({head[-1][:9]})"


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
    rows: Sequence[tuple[str, str, bool, str]], files: Iterable[MigrationFile], release: str = ""
) -> Migrations:
    """Both together; a row is a file's when their versions are the same number."""
    listed = tuple(files)
    by_number = {one.number: one.name for one in listed}
    known = {one.name for one in listed}
    names = [
        (_label(known, by_number, version, name), good, error)
        for version, name, good, error in rows
    ]
    applied = tuple(name for name, good, _ in names if good)
    failed = {name: one_line(error, 300) for name, good, error in names if not good}
    return Migrations(
        applied,
        tuple(one.name for one in listed if one.name not in applied),
        failed,
        tuple(one.name for one in listed if one.data_only),
        release,
    )


def _label(files: Collection[str], by_number: Mapping[str, str], version: str, name: str) -> str:
    own = name if number(name) == number(version) else f"{version}_{name}" if name else version
    return own if own in files else by_number.get(number(version)) or one_line(own, 120)
