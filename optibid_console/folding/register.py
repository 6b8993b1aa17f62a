"""How a fold is registered for its kind of fact."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from optibid_console import entries as e
from optibid_console.state import FOLDS, Fold, WindowState

F = TypeVar("F")


def on(kind: type[F]) -> Callable[[Callable[[WindowState, e.Entry, F], WindowState]], Fold]:
    """The decorated function says what a fact of this kind does to the window."""

    def register(fold_one: Callable[[WindowState, e.Entry, F], WindowState]) -> Fold:
        FOLDS[kind] = fold_one
        return fold_one

    return register
