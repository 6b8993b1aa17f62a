"""Every mistake in config.toml is named with its line, its key and a way out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from optibid_console.runbook.load import RunbookError

# (what is replaced, by what; the wrong line begins with HERE, key, message)
MISTAKES: tuple[tuple[str, str, str, str], ...] = (
    # shape
    ('name = "OptiBid"', 'HERE nam = "OptiBid"', "window.nam", 'mean "name"'),
    ('name = "OptiBid"', "HERE name = 3", "window.name", "expected text, found the number 3"),
    ('[window]\nname = "OptiBid"', "HERE [window]", "window.name", "name is missing"),
    ('= "docker-compose"', '= "docker"', "window.stack", "none of docker-compose, kubernetes"),
    ("[services.redis]", "HERE [services.rediss]", "services.rediss", 'mean "redis"'),
    ("[services.redis]", '[services.redis]\nHERE host = "x"', "services.redis.host", "unknown key"),
    ("[services.redis]", "[services]\nHERE redis = 3", "services.redis", "table [services.redis]"),
    ("[window]", "HERE criteria_x = 3\n[window]", "criteria_x", 'mean "criteria"'),
    ("[services.redis]", "HERE [service.redis]", "service", 'mean "services"'),
    ("[services.redis]", "HERE [window.bell]", "window.bell", "expected true or false"),
    ('for = "30s"', "HERE for = 30", "criteria[0].for", "expected a duration such as"),
    ('for = "30s"', 'HERE for = "30"', "criteria[0].for", "a duration needs a unit"),
    ('for = "30s"', 'HERE for = "-30s"', "criteria[0].for", "can't be negative"),
    ('for = "30s"', 'HERE hold_for = "30s"', "criteria[0].hold_for", "unknown key"),
    ('at = "T+0"', 'HERE at = "60m"', "phases[1].at", "not an offset from T-0"),
    ('evidence = ["health", "cache"]', 'HERE evidence = "health"', "phases[0].steps[0].evidence",
     'expected a list of texts, found the text "health"'),
    ('items = ["Backed up", ', "HERE items = [3, ", "checklist[0].items[0]", "expected a table"),
    ("[contacts.primary]\nrole", "HERE [contacts.primary]\nname", "contacts.primary.role",
     "role is missing"),
    # settings of kinds
    ('port = "${PORT}"', 'HERE prt = "1"', "probes.health.prt", 'mean "port"'),
    ('port = "${PORT}"', 'HERE evry = "1s"', "probes.health.evry", 'mean "every"'),
    ('port = "${PORT}"', 'HERE wait = 3', "probes.health.wait", "expected a duration"),
    ('port = "${PORT}"', "HERE port = true", "probes.health.port", "expected a whole number"),
    ('port = "${PORT}"', 'HERE expect = { stats = 1 }', "probes.health.expect.stats",
     'mean "status"'),
    ('url = "http://localhost:1"', 'HERE url = "ftp:"', "probes.cache.url", "not a web address"),
    ('url = "http://localhost:1"', "", "probes.cache.url", "url is missing"),
    ('kind = "http"\nurl = "http://localhost:1"', 'HERE kind = "htp"', "probes.cache.kind",
     'no kind "htp"; kinds are http, command (did you mean "http"?)'),
    ('source = "metrics"', 'HERE source = "http"', "panels.errors.source", "sources are metrics"),
    ('unit = "ratio"', 'HERE unit = "%"', "panels.errors.unit", "units are ms, s, ratio"),
    ('unit = "ratio"', 'unit = "s"\nfail_above = 1\nHERE warn_above = 2',
     "panels.errors.warn_above", "warns only after fail_above (1)"),
    ('unit = "ratio"', 'HERE every = "0s"', "panels.errors.every", "must be longer than 0"),
    # names
    ('on = "app-1"\nrun', 'HERE on = "app1"\nrun', "phases[0].steps[0].on",
     'no target "app1"; targets are local, app-1 (did you mean "app-1"?)'),
    ('["health", "cache"]', '["health", "cach"]', "phases[0].steps[0].evidence[1]", 'mean "cache"'),
    ('wait_for = ["health"]', 'HERE wait_for = ["x"]', "phases[1].steps[0].wait_for[0]",
     'no probe "x"; probes are health, cache'),
    ('probe = "health"', 'probe = "db"', "checklist[0].items[1].probe", 'no probe "db"'),
    ('on = "app-1"\npath', 'HERE on = "app-2"\npath', "tails.backend.on", 'no target "app-2"'),
    ('path = "/var/log/backend.log"', 'HERE kind = "journal"', "tails.backend.kind",
     "kinds are file, container"),
    ('[tails.backend]\non = "app-1"', 'HERE [tails.backend]\nkind = "container"',
     "tails.backend.container", "container is missing"),
    ("panel.errors > 0.05 or ", "panel.error > 0.05 or ", "criteria[0].fail_when",
     'mean "errors"'),
    ("probe.health is failing", "probe.heath is failing", "criteria[0].fail_when", 'mean "health"'),
    ("probe.health is failing", "probe.health == failing", "criteria[0].fail_when", "can't read"),
    ('active_from = "deploy"', 'HERE active_from = "depoy"', "criteria[0].active_from",
     'mean "deploy"'),
    ('baseline_until = "deploy"', 'HERE baseline_until = "x"', "window.baseline_until",
     "phases are prepare, deploy"),
    ('phase = "prepare"', 'HERE phase = "prep"', "checklist[0].phase", "phases are prepare"),
    ('contact = "primary"', 'HERE contact = "third"', "escalation[0].contact",
     'no contact "third"; contacts are primary'),
    ('undoes = ["1.1a"]', 'HERE undoes = ["1.1"]', "actions[0].steps[0].undoes[0]", 'mean "1.1a"'),
    ('ready_when = ["health"]', 'HERE ready_when = ["x"]', "actions[0].ready_when[0]",
     'no probe "x"'),
    ('needs_facts = ["backup.path"]', 'HERE needs_facts = ["backup.pat"]',
     "actions[0].needs_facts", 'mean "backup.path"'),
    ("${backup.path}\"\n\n", "${backup.file}\"\n\n", "actions[0].costs",
     'no recorded fact "backup.file"'),
    ('record = "backup.path"', 'HERE record = "path"', "phases[0].steps[0].record",
     "expected a dotted name"),
    ('path = "/var/log/backend.log"', 'HERE path = "/${window.stamp}"', "tails.backend.path",
     "read before it"),
    # twice
    ('id = "2.1a"', 'HERE id = "1.1a"', "phases[1].steps[0].id", "config.toml:42 phases[0]"),
    ('id = "r1"', 'HERE id = "2.1b"', "actions[0].steps[0].id", 'step "2.1b" is there already'),
    ('id = "deploy"', 'HERE id = "prepare"', "phases[1].id", 'phase "prepare" is there already'),
    ('items = ["Backed up", {', 'items = ["Backed up", { id = "db-1",',
     "checklist[0].items[1].id", 'item "db-1" is there already'),
    ('key = "R"', 'HERE key = "x"', "actions[0].key", 'the key "x" does abort already'),
    ('key = "R"', 'HERE key = "e"', "actions[0].key", 'the key "e" does the next error already'),
    ("[contacts.primary]", '[keys]\nHERE hold = "R"\n[contacts.primary]', "keys.hold",
     'the key "R" does rollback already'),
    ("[contacts.primary]", '[keys]\nHERE holt = "f9"\n[contacts.primary]', "keys.holt",
     'mean "hold"'),
    # order, circles
    ('at = "T+0"', 'HERE at = "T-2h"', "phases[1].at", "begins before the phase above it"),
    ('until = "T+1h"', 'HERE until = "T-1h"', "phases[1].until", "ends before it begins"),
    ('undoes = ["1.1a"]', 'HERE undoes = ["r1"]', "actions[0].steps[0].undoes",
     'in a circle: "r1" undoes "r1"'),
    ('host = "app-1.example"', 'host = "h"\nHERE jump = "app-2"\n[targets.app-2]\nkind = "ssh"\n'
     'host = "i"\njump = "app-1"', "targets.app-1.jump",
     '"app-1" jumps through "app-2" jumps through "app-1"'),
    # what a step says
    ('kind = "manual"', 'kind = "manual"\nHERE run = "ls"', "phases[1].steps[1].run",
     'only belongs to kind = "run"'),
    ('kind = "manual"', 'kind = "manual"\nHERE undoes = ["1.1a"]', "phases[1].steps[1].undoes",
     "only belongs to a step of an action"),
    ('wait_for = ["health"]', "", "phases[1].steps[0].wait_for", "wait_for is missing"),
    ('on = "local"\n', "", "actions[0].steps[0].on", "on is missing"),
    ('run = "restore ${backup.path}"', "", "actions[0].steps[0].run", "run is missing"),
    ('ready_when = ["health"]', 'HERE uses = ["1.1a"]', "actions[0].uses", "choose one"),
    # targets
    ('host = "app-1.example"', "", "targets.app-1.host", "host is missing"),
    ('kind = "ssh"', 'HERE kind = "telnet"', "targets.app-1.kind",
     "kinds are local, ssh, container"),
    ('kind = "ssh"\nhost', 'kind = "local"\nHERE host', "targets.app-1.host",
     'only belongs to kind = "ssh"'),
    ('host = "app-1.example"', 'host = "h"\nHERE port = 70000', "targets.app-1.port", "65535"),
    ('kind = "ssh"\nhost = "app-1.example"', 'kind = "container"', "targets.app-1.container",
     "container is missing"),
    ('kind = "ssh"\nhost', 'kind = "container"\ncontainer = "c"\nHERE host', "targets.app-1.host",
     'only belongs to kind = "ssh"'),
    ('kind = "ssh"\nhost = "app-1.example"', 'kind = "container"\ncontainer = "c"\n'
     'HERE docker = "ssh://app-1"', "targets.app-1.docker", "expected unix:///PATH"),
    ('kind = "ssh"\nhost = "app-1.example"', 'kind = "container"\ncontainer = "c"\n'
     'HERE on = "app-1"', "targets.app-1.on", "is a container itself"),
    ('host = "app-1.example"', 'host = "h"\nHERE container = "c"', "targets.app-1.container",
     'only belongs to kind = "container"'),
    ('host = "app-1.example"', 'host = "h"\nHERE output_cap = "64"', "targets.app-1.output_cap",
     'a size needs a unit'),
    ('host = "app-1.example"', 'host = "h"\nHERE output_cap = "1kB"', "targets.app-1.output_cap",
     'expected at least 1MiB'),
    ('host = "app-1.example"', 'host = "h"\nHERE keep_runs = "1h"', "targets.app-1.keep_runs",
     'expected at least 1d'),
    # the environment
    ('[environment]', '[environment]\nHERE env_file = "prod.env"', "environment.env_file",
     "prod.env: no such file"),
    ('host = "app-1.example"', 'HERE host = "${HOST}"', "targets.app-1.host",
     "${HOST} has no value; used at config.toml:14 targets.app-1.host; set it in the environment"),
    ('name = "OptiBid"', 'HERE name = "${DB_PASSWORD}"', "window.name",
     '"DB_PASSWORD" to environment.plain'),
    ('run = "restore ${backup.path}"', 'HERE run = "x `ls ${RELEASE}`"',
     "actions[0].steps[0].run", "can't stand in backticks"),
    ('run = "restore ${backup.path}"', 'HERE run = "sh -c \'x ${backup.path}\'"',
     "actions[0].steps[0].run", "a second shell reads"),
    # what can't hold
    ('for = "30s"', 'for = "30s"\nHERE stale_after = "5s"', "criteria[0].stale_after",
     "too short to hold: panel.errors is read every 2 s with a timeout of 2 s; leave it out, "
     "or give at least 6s"),
    ('for = "30s"', 'for = "30s"\nHERE stale_after = "12s"', "criteria[0].stale_after",
     "probe.health is read every 5 s with a timeout of 3 s"),
    ('for = "30s"', 'HERE for = "21m"', "criteria[0].for", "panel.errors is remembered for 1200 s"),
    # odds
    ('name = "OptiBid"', 'name = "O"\nHERE t0 = "9 pm"', "window.t0", "expected HH:MM"),
    ('name = "OptiBid"', 'name = "O"\nHERE speed = 0', "window.speed", "more than 0"),
    ('name = "OptiBid"', 'name = "O"\nHERE speed = inf', "window.speed", "expected a number"),
    ('record = "backup.path"', 'record = "backup.path"\nHERE expect_record = "("',
     "phases[0].steps[0].expect_record", "a ( is never closed"),
    ('record = "backup.path"', 'HERE expect_record = ".*"',
     "phases[0].steps[0].expect_record", "needs record"),
    ('action = "Call"', 'action = "Call"\n[[escalation]]\nHERE after = "5m"\naction = "x"',
     "escalation[1].after", "comes before the rung above it"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "key", "message"), MISTAKES, ids=[f"{one[2]}-{one[3]}" for one in MISTAKES]
)
def test_a_mistake_is_named_with_its_line_and_key(
    whole: str, load_text: Any, old: str, new: str, key: str, message: str
) -> None:
    assert whole.count(old) >= 1
    text = whole.replace(old, new, 1)
    if "HERE" in text:
        line = text[: text.index("HERE")].count("\n") + 1
        text = text.replace("HERE ", "")
    else:
        line = 0
    with pytest.raises(RunbookError) as caught:
        load_text(text)
    matching = [one for one in caught.value.problems if one.key == key and message in str(one)]
    assert len(matching) == 1, str(caught.value)
    (problem,) = matching
    assert problem.file == "config.toml"
    assert problem.line == line or not line, str(problem)
    assert str(problem).startswith(f"config.toml:{problem.line} {key}: ")


def test_twelve_mistakes_are_reported_at_once(whole: str, load_text: Any) -> None:
    wrong = whole
    changes = (
        ('name = "OptiBid"', "name = 3"),
        ('stack = "docker-compose"', 'stack = "docker"'),
        ("[services.redis]", "[services.rediss]"),
        ('kind = "ssh"', 'kind = "telnet"'),
        ('port = "${PORT}"', 'prt = "1"'),
        ('metric = "http', 'metrik = "http'),
        ('at = "T+0"', 'at = "60m"'),
        ('wait_for = ["health"]', 'wait_for = ["healht"]'),
        ('id = "2.1b"', 'id = "2.1a"'),
        ('key = "R"', 'key = "x"'),
        ('for = "30s"', "for = 30"),
        ('contact = "primary"', 'contact = "nobody"'),
    )
    for old, new in changes:
        wrong = wrong.replace(old, new, 1)
    with pytest.raises(RunbookError) as caught:
        load_text(wrong)
    keys = {one.key for one in caught.value.problems}
    assert keys >= {
        "window.name", "window.stack", "services.rediss", "targets.app-1.kind",
        "probes.health.prt", "panels.errors.metrik", "phases[1].at",
        "phases[1].steps[0].wait_for[0]", "phases[1].steps[1].id", "actions[0].key",
        "criteria[0].for", "escalation[0].contact",
    }  # fmt: skip
    assert [one.line for one in caught.value.problems] == sorted(
        one.line for one in caught.value.problems
    )
    plain = [one.to_plain() for one in caught.value.problems]
    assert json.loads(json.dumps(plain))[0]["file"] == "config.toml"


def test_a_missing_name_is_reported_once_with_every_place(whole: str, load_text: Any) -> None:
    with pytest.raises(RunbookError) as caught:
        load_text(whole, {"RELEASE": "v1", "PORT": "1"})
    (problem,) = caught.value.problems
    assert problem.message == (
        "${DB_PASSWORD} has no value; used at config.toml:20 probes.health.password, "
        "config.toml:45 phases[0].steps[0].run; set it in the environment"
    )


def test_a_problem_shows_no_control_characters_and_no_secret(whole: str, load_text: Any) -> None:
    hostile = whole.replace('name = "OptiBid"', 'name = ["\\u001b[2J\\u0007\\u009b"]')
    with pytest.raises(RunbookError) as caught:
        load_text(hostile, {"RELEASE": "v1", "PORT": "1", "DB_PASSWORD": "pass"})
    text = str(caught.value)
    assert "\x1b" not in text
    assert "\x9b" not in text
    assert "pass is too short" not in text
    assert "[REDACTED] is too short" in text


def test_alternatives_for_different_stacks_may_share_an_id(whole: str, load_text: Any) -> None:
    def two(first: str, second: str) -> str:
        step = '[[phases.steps]]\nid = "9"\ntitle = "t"\nkind = "manual"\nstack = ["{}"]\n'
        return whole.replace(
            "[[actions]]", step.format(first) + step.format(second) + "[[actions]]"
        )

    assert load_text(two("pm2", "kubernetes"))
    with pytest.raises(RunbookError, match='step "9" is there already'):
        load_text(two("pm2", "pm2"))
