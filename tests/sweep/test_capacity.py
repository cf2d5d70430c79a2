"""How many members fit, by the memory that is free."""

import pytest

from gan_jax.program import Program
from gan_jax.sweep import capacity
from support import tiny_mlp_config


@pytest.fixture(scope="module")
def program():
    return Program(tiny_mlp_config())


@pytest.mark.parametrize(("lanes", "most"), [(False, 8), (True, 4 * 64)])
def test_small_members_are_limited_by_number_alone(program, lanes, most):
    assert capacity.places(program, lanes) == most


@pytest.mark.parametrize("lanes", [False, True])
def test_where_memory_is_short_there_are_fewer_and_one_at_least(program, lanes, monkeypatch):
    found = []
    for free in (10**3, 10**5, 2 * 10**5):
        monkeypatch.setattr(capacity, "_free_on_host", lambda free=free: free)
        found.append(capacity.places(program, lanes))
    assert found[0] == 1
    assert found == sorted(found)
    assert found[0] < found[2]


def test_a_lane_also_needs_its_working_memory(program, monkeypatch):
    monkeypatch.setattr(capacity, "MOST_IN_TURNS", 10**6)
    monkeypatch.setattr(capacity, "_free_on_host", lambda: 10**7)
    in_lanes = capacity.places(program, True) / 4
    assert in_lanes < capacity.places(program, False)
