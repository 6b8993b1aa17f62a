"""What backup, migrate and restore need and prove, around the command that each runs."""

from __future__ import annotations

from collections.abc import Mapping

from optibid_console.engine.ledger import Ledger
from optibid_console.engine.operations.backup import BackupOperation
from optibid_console.engine.operations.databases import Database
from optibid_console.engine.operations.migrating import Migrating
from optibid_console.engine.operations.operation import Operation
from optibid_console.engine.operations.parts import PartOperation
from optibid_console.engine.operations.restoring import Restoring
from optibid_console.engine.operations.retaining import OpenWindows, Retention
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.model import StepKind
from optibid_console.targets.target import Target


def operations_of(
    loaded: Loaded,
    ledger: Ledger,
    targets: Mapping[str, Target],
    databases: Mapping[str, Database],
    open_windows: OpenWindows,
) -> Mapping[StepKind, Operation]:
    """The operation of each kind of step that has one."""
    retention = Retention(loaded.runbook, open_windows)
    return {
        StepKind.RUN: PartOperation(ledger, targets, retention),
        StepKind.BACKUP: BackupOperation(loaded.runbook, ledger, open_windows, databases),
        StepKind.MIGRATE: Migrating(databases, ledger),
        StepKind.RESTORE: Restoring(databases, ledger),
    }
