"""What a step that is marked read-only must not do is found where it is evident."""

from __future__ import annotations

from typing import Any

import pytest

from optibid_console.runbook.load import RunbookError
from optibid_console.runbook.shell_lexer import Command, commands
from optibid_console.runbook.writes import evident_writes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rm -rf /tmp/x", ["rm"]),
        ("/bin/rm x", ["rm"]),
        ("ls; cp a b && echo done", ["cp"]),
        ("sudo -u postgres dropdb optibid", ["dropdb"]),
        ("LANG=C nice -n 5 rsync a b", ["rsync"]),
        ("timeout 30 systemctl restart optibid-backend", ["systemctl restart"]),
        ("if true; then mv a b; fi", ["mv"]),
        ("for one in a b; do touch $one; done", ["touch"]),
        ("find . -name '*.part' -delete", ["find -delete"]),
        ("ls | xargs rm", ["rm"]),
        ("x=$(git stash); echo $x", ["git stash"]),
        ('echo "$(mktemp -d)" "$(mkdir a)"', ["mkdir"]),
        ("git -C /srv checkout --detach v2", ["git checkout"]),
        ("docker compose -p x up -d", ["docker compose up"]),
        ("docker image rm sha256:1", ["docker image rm"]),
        ("docker-compose stop backend", ["docker-compose stop"]),
        ("kubectl -n optibid scale deployment x --replicas=0", ["kubectl scale"]),
        ("kubectl rollout undo deployment/x", ["kubectl rollout undo"]),
        ("pm2 restart all; npm ci", ["pm2 restart", "npm ci"]),
        ("redis-cli -h h FLUSHDB", ["redis-cli FLUSHDB"]),
        ("aws s3 sync a s3://b/", ["s3 sync"]),
        ("sed -i s/a/b/ file", ["sed -i"]),
        ("psql -c 'DELETE FROM bids'", ["psql DELETE FROM"]),
        ("psql --command='alter   table bids add x int'", ["psql alter table"]),
        ("pg_restore -d optibid x.dump", ["pg_restore"]),
        ("echo a >>notes.txt", ["> notes.txt"]),
        ("echo a >|notes.txt 2>&1", ["> notes.txt"]),
        ("date &>log", ["> log"]),
        ("echo a | tee -a notes", ["tee"]),
    ],
)  # fmt: skip
def test_what_writes_is_found(text: str, found: list[str]) -> None:
    assert list(evident_writes(text)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "echo rm -rf /",
        "echo 'a; rm b'",
        'grep "mv a b" history',
        "# rm x\nls",
        "ls >/dev/null 2>&1",
        "status >&2",
        "wc -l <notes.txt",
        "ls | tee /dev/stderr",
        "command -v docker-compose",
        "git status; git log -n 3; git rev-parse HEAD; git stash create; git stash list",
        "docker inspect --format '{{.Image}}' run",
        "docker ps; docker image inspect x; docker compose ps; docker-compose logs",
        "kubectl get pods; kubectl apply --dry-run=server -f x; kubectl rollout status d/x",
        "systemctl is-active x; systemctl status x; pm2 jlist; npm ls; pip list",
        "psql -c 'SELECT update FROM created'",
        "pg_restore --list x.dump",
        "awk '/a/ { print > 5; bad = 1 }' file",
        "sed 's/-i/x/' file",
        "redis-cli ping",
        "python scripts/verify_database.py",
        "cat <<'END'\nrm x\nEND\nls",
        "[ 3 -gt 2 ] && echo yes",
    ],
)
def test_what_only_looks_is_left_alone(text: str) -> None:
    assert evident_writes(text) == ()


def test_the_commands_of_a_text() -> None:
    said = commands('a "b c" >d 2>&1 | e $(f g) ${X} || { h; }')
    assert said == [
        Command(("a", "b c", "2"), ("d",)),
        Command(("f", "g")),
        Command(("e", "?", "?")),
        Command(("{", "h")),
        Command(("}",)),
    ]


WINDOW = """
[window]
name = "w"
version = "v"
stack = "directory"

[targets.a]
kind = "local"

[probes.p]
kind = "command"
on = "a"
run = "touch seen"

[[phases]]
id = "one"
title = "One"
at = "T+0"

[[phases.steps]]
id = "1"
title = "Look"
on = "a"
run = "git status >state; git checkout v2"
read_only = true
"""


def test_it_is_a_warning_with_its_place(load_text: Any) -> None:
    assert [str(one) for one in load_text(WINDOW).warnings] == [
        'config.toml:25 phases[0].steps[0].read_only: "> state", "git checkout" evidently changes '
        "something: a rehearsal would do it, for it launches this step",
        'config.toml:13 probes.p.run: "touch" evidently changes something: it would be done all '
        "the time, in a rehearsal too",
    ]


@pytest.mark.parametrize("kind", ["backup", "migrate", "restore"])
def test_an_operation_is_never_read_only(kind: str, load_text: Any) -> None:
    text = WINDOW.replace('run = "git status >state; git checkout v2"', f'kind = "{kind}"')
    with pytest.raises(RunbookError, match=f"a {kind} changes something: a rehearsal would launch"):
        load_text(text)
