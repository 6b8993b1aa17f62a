"""What tests of probes and tails share."""

from __future__ import annotations

import pytest

from tests.probes.hosts import CuttableHost


@pytest.fixture
def host() -> CuttableHost:
    return CuttableHost()
