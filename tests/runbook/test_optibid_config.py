"""config.toml counted against OptiBid's deployment checklist, and its traps looked for."""

from __future__ import annotations

import functools
import re
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from optibid_console.action_plan import facts_named
from optibid_console.criteria import Observations, Sample, judge, parse, sample_gaps
from optibid_console.entries import Verdict
from optibid_console.gates import gates_of
from optibid_console.runbook.load import Loaded, load
from optibid_console.runbook.model import Runbook, StepKind
from probes.probe import Status

RUN = StepKind.RUN
CONFIG = Path(__file__).parents[2] / "config.toml"
STACKS = ("docker-compose", "kubernetes", "systemd", "pm2", "directory")
OPTIONAL = ("redis", "kafka", "clickhouse", "mlflow", "minio")
MUST = ("RELEASE", "APP_HOST", "DB_HOST", "DEPLOY_USER", "DB_NAME", "DB_USER", "API_HOST",
        "DB_PASSWORD", "TEST_USER_PASSWORD")  # fmt: skip
SECRETS = ("DB_PASSWORD", "TEST_USER_PASSWORD", "REDIS_PASSWORD")
WHOLE: dict[str, Any] = tomllib.loads(CONFIG.read_text())


def environment() -> dict[str, str]:
    plain = WHOLE["environment"]["plain"]
    given = {name: f"{name.lower()}-of-the-test" for name in (*plain, *SECRETS)}
    return given | {name: f"http://{one}" for name, one in given.items() if name.endswith("_URL")}


@functools.cache
def loaded(stack: str = "docker-compose", without: tuple[str, ...] = ()) -> Loaded:
    """The runbook as it is shipped, with a file of values; without what these parts need."""
    needed = [name for one in without for name in WHOLE["services"][one]["needs"]]
    values = environment() | {"STACK": stack} | dict.fromkeys(needed, "")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.toml")
        path.write_text(CONFIG.read_text())
        lines = [f"{name}={value}\n" for name, value in values.items()]
        path.with_name("production.env").write_text("".join(lines))
        return load(path, {})


@pytest.fixture(params=STACKS)
def runbook(request: pytest.FixtureRequest) -> Runbook:
    return loaded(request.param).runbook


def test_seven_phases_at_their_offsets(runbook: Runbook) -> None:
    assert [phase.at / 60 for phase in runbook.phases] == [-60, -45, -30, -15, -10, -5, 0]
    assert runbook.phases[-1].until == 3600


def test_nineteen_steps_on_every_stack(runbook: Runbook) -> None:
    groups = dict.fromkeys(step.group.partition(" ")[0] for _, step in runbook.steps())
    assert list(groups) == [
        "1.1", "1.2", "1.3", "2.1", "2.2", "3.1", "3.2", "3.3", "4.1", "4.2", "4.3",
        "5.1", "5.2", "5.3", "6.1", "6.2", "7.1", "7.2", "7.3",
    ]  # fmt: skip


def test_five_rollback_steps_on_every_stack(runbook: Runbook) -> None:
    rollback = runbook.action("rollback")
    assert rollback is not None
    groups = dict.fromkeys(step.group for step in rollback.steps)
    assert [re.match(r"Step (\d)", group)[1] for group in groups] == ["1", "2", "3", "4", "5"]  # type: ignore[index]  # a group that doesn't match is a failure


def test_one_hundred_and_forty_nine_check_items(runbook: Runbook) -> None:
    items = [item for section in runbook.checklist for item in section.items]
    assert len(items) == 149
    assert len({item.id for item in items}) == 149
    counts = [len(section.items) for section in runbook.checklist]
    assert counts == [8, 12, 8, 12, 10, 10, 8, 6, 6, 3, 4, 8, 6, 6, 6, 4, 6, 4, 5, 5, 5, 4, 3]


def test_seven_roles_sign(runbook: Runbook) -> None:
    roles = [item.role for section in runbook.checklist for item in section.items if item.role]
    assert roles == list(runbook.signoffs) == [
        "Engineering Lead", "DevOps Lead", "Security Lead", "Product Manager",
        "Deployment Engineer", "QA Lead", "Operations Manager",
    ]  # fmt: skip


def test_six_triggers(runbook: Runbook) -> None:
    assert [criterion.title for criterion in runbook.criteria] == [
        "Critical functionality is broken",
        "Error rate exceeds 5%",
        "Performance degradation > 50%",
        "Database corruption detected",
        "Security vulnerability introduced",
        "Stakeholder approval for rollback",
    ]


def test_contacts_and_the_escalation_path(runbook: Runbook) -> None:
    assert [contact.role for contact in runbook.contacts.values()] == [
        "Primary On-Call", "Secondary On-Call", "Engineering Manager",
        "Cloud Provider Support", "Database Support", "CDN Support", "Monitoring Support",
    ]  # fmt: skip
    assert [rung.after / 60 for rung in runbook.escalation] == [15, 30, 45, 60]


def test_a_service_that_is_not_there_shows_nowhere() -> None:
    runbook = loaded(without=OPTIONAL).runbook
    said = " ".join(
        [*runbook.probes, *(step.title for _, step in runbook.steps())]
        + [item.text for section in runbook.checklist for item in section.items]
    ).lower()
    assert not [service for service in OPTIONAL if service in said]
    assert sum(len(section.items) for section in runbook.checklist) == 149 - len(OPTIONAL)


@pytest.mark.parametrize("stack", STACKS)
def test_what_must_be_given_is_enough(tmp_path: Path, stack: str) -> None:
    values = {name: environment()[name] for name in MUST} | {"STACK": stack}
    if stack == "docker-compose":
        values |= {"BACKEND_IMAGE": "registry.example/b", "FRONTEND_IMAGE": "registry.example/f"}
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.read_text())
    path.with_name("production.env").write_text("".join(f"{a}={b}\n" for a, b in values.items()))
    whole = load(path, {})
    assert whole.runbook.services == ()
    assert whole.runbook.panels == {}
    left_to_people = [one.id for one in whole.runbook.criteria if not one.fail_when]
    assert left_to_people == ["error-rate", "performance", "stakeholders"]
    said = [str(one) for one in whole.warnings]
    assert len([one for one in said if "nothing of it is checked" in one]) == 10
    assert len([one for one in said if "a person asserts it" in one]) == 2
    assert not [one for one in said if "nothing uses it" in one]


def test_no_secret_is_in_the_runbook() -> None:
    whole = loaded()
    said = repr(whole.runbook)
    for name in SECRETS:
        assert environment()[name] not in said
        assert environment()[name] not in repr(whole.secrets)
    assert "app_host-of-the-test" in said


def commands() -> list[tuple[str, str]]:
    tables = [*WHOLE["phases"], *WHOLE["actions"]]
    return [
        (step["id"], step["run"])
        for table in tables
        for step in table.get("steps", [])
        if "run" in step
    ]


@pytest.mark.parametrize(("step_id", "command"), commands())
def test_no_command_masks_its_failure(step_id: str, command: str) -> None:
    assert not re.search(r"\|\|\s*(echo|true|:)", command)
    assert not re.search(r"\bsleep\b", command)
    assert not re.search(r"logs .*(-f|--follow)\b|tail .*-[fF]\b", command)
    assert not re.search(r"psql .*<\s*\S+\.sql|docker-compose down", command)
    assert not re.search(r"YYYYMMDD|<previous", command)
    run = re.sub(r"(?m)^program .*", "", command)  # those are only looked for
    assert "pg_dump" not in run  # `kind = "backup"` reads back what it has dumped
    if re.search(r"\bpsql\b", run):
        assert "ON_ERROR_STOP=1" in run
    if command.count("\n") > 1:
        assert command.startswith("set -eu\n")


def test_what_matters_is_judged_by_evidence(runbook: Runbook) -> None:
    migrate = runbook.step("2.1b")
    backup = runbook.step("1.2d")
    restore = runbook.step("R2")
    assert migrate is not None
    assert backup is not None
    assert restore is not None
    assert "migrations-applied" in migrate.evidence
    assert "backup-verified" in backup.evidence
    dump = runbook.step("1.2c")
    assert dump is not None
    assert dump.kind is StepKind.BACKUP
    assert "backup-there" in dump.evidence
    assert "database-tables" in restore.evidence
    waits = [step.id for _, step in runbook.steps() if step.kind is StepKind.WAIT]
    assert "3.3a" in waits


def test_the_backup_action_makes_the_whole_set(runbook: Runbook) -> None:
    action = runbook.action("backup")
    assert action is not None
    steps = runbook.action_steps(action)
    parts = {step.artifact for step in steps if step.artifact}
    assert {"files", "tag"} < parts
    assert parts & {"image", "revision", "directory"}
    assert [step.id for step in steps if step.kind is StepKind.BACKUP] == ["1.2c"]
    assert all(step.required for step in steps)


def test_health_is_judged_by_the_body(runbook: Runbook) -> None:
    health = runbook.probes["backend-health"].settings
    assert health["health"] is True
    assert health["headers"]["Host"] == "api_host-of-the-test"


def test_each_gate_that_the_comments_offer_can_be_taken_as_it_is(tmp_path: Path) -> None:
    text, count = re.subn(r"(?m)^# (gate = \{.*\})$", r"\1", CONFIG.read_text())
    path = tmp_path / "config.toml"
    path.write_text(text)
    path.with_name("production.env").touch()
    book = load(path, environment()).runbook
    gates = dict(gates_of(book))
    assert len(gates) == count == 3
    assert gates["phase:database-migration"].signoffs == ("Engineering Lead", "DevOps Lead")
    assert gates["phase:maintenance-off"].criteria == "all"
    assert gates["action:clear-cache"].second_person


def test_what_is_read_only_and_what_is_observed_evidently_writes_nothing() -> None:
    assert not [one for one in loaded().warnings if "evidently" in one.message]


def test_the_lamp_looks_for_all_that_the_rollback_goes_back_to(runbook: Runbook) -> None:
    rollback = runbook.action("rollback")
    assert rollback is not None
    needed = {fact for step in rollback.steps for fact in facts_named(step.run) if step.kind is RUN}
    recorded = {step.record for _, step in runbook.steps() if step.artifact}
    looked_for = {
        fact
        for name in rollback.ready_when
        for fact in facts_named(str(runbook.probes[name].settings))
    }
    assert needed & recorded
    assert needed & recorded <= looked_for


def test_what_starts_a_release_is_judged_by_more_than_its_exit_status(runbook: Runbook) -> None:
    rollback = runbook.action("rollback")
    assert rollback is not None
    starts = [step for _, step in runbook.steps() if re.match(r"3\.2|4\.2", step.id)]
    starts += [step for step in rollback.steps if step.id.startswith("R3")]
    assert len(starts) == 4
    assert all(step.evidence for step in starts)


def test_no_stack_uses_the_programs_of_another(runbook: Runbook) -> None:
    own = {"docker-compose": "docker", "kubernetes": "kubectl", "systemd": "systemctl",
           "pm2": "pm2", "directory": "bin/backend"}  # fmt: skip
    rollback = runbook.action("rollback")
    assert rollback is not None
    steps = [*(step for _, step in runbook.steps()), *rollback.steps]
    said = "\n".join(step.run for step in steps if step.kind is RUN)
    for stack, program in own.items():
        found = re.search(rf"(?<![\w./-]){program}[\s']", said)
        assert bool(found) == (stack == runbook.window.stack), program


def _status(wrong: bool) -> Status:
    return Status.FAILING if wrong else Status.OK


def _verdicts(book: Runbook, wrong: dict[str, bool]) -> dict[str, Verdict]:
    """Each trigger's verdict when these probes fail (true: they don't answer), all else well."""
    at = 1_800_000_000.0
    history = {
        ("probe", name): [
            Sample(at - ago, _status(name in wrong), away=wrong.get(name, False))
            for ago in range(60, -1, -1)
        ]
        for name in book.probes
    } | {("panel", name): [Sample(at, Status.OK, 0.0)] for name in book.panels}
    seen = Observations(history, dict.fromkeys(book.panels, 1.0), sample_gaps(book))
    return {one.id: judge(one, seen, at).verdict for one in book.criteria if one.fail_when}


@pytest.mark.parametrize(
    ("wrong", "tripped"),
    [
        ({}, set()),
        # a backend that is down is no security vulnerability
        (dict.fromkeys(("backend-health", "login", "market-ws", "protected"), True),
         {"critical-functionality"}),
        ({"protected": False}, {"security"}),
        # a PostgreSQL that is stopped is no corrupt database
        (dict.fromkeys(("database", "database-tables", "no-failed-migration"), True),
         {"critical-functionality"}),
        ({"database-tables": False}, {"database-corruption"}),
    ],
)  # fmt: skip
def test_what_is_away_trips_only_what_serves_users(
    wrong: dict[str, bool], tripped: set[str]
) -> None:
    verdicts = _verdicts(loaded().runbook, wrong)
    assert {name for name, one in verdicts.items() if one is Verdict.FAIL} == tripped
    unknown = {name for name in verdicts if any(f".{one} " in _rule(name) for one in wrong)}
    assert Verdict.PASS not in [verdicts[one] for one in unknown]  # nobody knows


def _rule(criterion_id: str) -> str:
    criterion = loaded().runbook.criterion(criterion_id)
    return criterion.fail_when if criterion else ""


@pytest.mark.parametrize("stack", [one for one in STACKS if one != "kubernetes"])
def test_what_serves_users_is_judged_but_for_what_a_step_stops(stack: str) -> None:
    book = loaded(stack).runbook
    serving = book.criterion("critical-functionality")
    assert serving is not None
    assert serving.active_from == ""  # production serves users from the opening on
    stopped = {clause.id for clause in parse(serving.fail_when)} - {"database"}
    rollback = book.action("rollback")
    assert rollback is not None
    for steps in (tuple(step for _, step in book.steps()), rollback.steps):
        stopping = [i for i, one in enumerate(steps) if "backend-health" in one.stops]
        assert len(stopping) == 1
        assert stopped <= set(steps[stopping[0]].stops)
        waits = [one for one in steps[stopping[0] :] if one.kind is StepKind.WAIT]
        assert "backend-health" in waits[0].wait_for  # that ends the silence
