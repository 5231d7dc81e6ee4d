"""The benchmarks' arithmetic by hand, and every one of their steps at tiny size."""
import pytest

from experiments.benchmarks import ours, turns


def test_ratios_are_of_neighbouring_turns():
    found = turns.ratio([2.0, 9.0, 8.0], [1.0, 3.0, 2.0])
    assert found == {'median': 3.0, 'low': 2.5, 'high': 3.5}
    assert turns.spoken(found) == '3 (2.5 to 3.5)'


def test_turns_alternate_after_one_of_each():
    seen = []
    spent = turns.alternate({'a': lambda: seen.append('a'), 'b': lambda: seen.append('b')}, 2)
    assert seen == list('ababab') and [len(v) for v in spent.values()] == [2, 2]


def test_a_worker_that_ends_is_told():
    with pytest.raises(RuntimeError, match='its own words are above'):
        turns.Worker('false', 'ours.py', {})


@pytest.mark.parametrize('extra', [{}, {'precision': 'bfloat16', 'path': 'dense'}])
def test_our_step_trains(extra):
    step, about = ours.make(dict(rows=16, width=8, features=32, k=2) | extra)
    step()
    step()
    assert set(about) == {'saex', 'jax'}
