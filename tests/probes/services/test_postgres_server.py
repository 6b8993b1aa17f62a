"""The server that the other tests stand on."""

import pytest


@pytest.mark.server("postgres")
def test_it_answers_stops_and_starts_again(postgres):
    assert postgres.execute("SELECT 1") == [(1,)]
    postgres.restart()
    assert postgres.execute("SELECT 2") == [(2,)]
    postgres.stop()
    postgres.start()
    assert postgres.execute("SELECT 3") == [(3,)]
