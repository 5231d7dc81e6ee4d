import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.evals import coder, controls, runner

TRACED = []


@dataclasses.dataclass(frozen=True)
class Probe:
    """Pass 0: the largest code; pass 1: rows above half of it, and their ids."""
    needs = frozenset({'codes', 'row', 'offset'})
    passes = 2
    reduce = ('max', {'top': 'keep', 'rows': 'sum', 'low': 'min', 'ids': 'concat'})

    def init(self, spec, previous):
        if not previous:
            return {'top': jnp.full((), -jnp.inf)}
        return {'top': jnp.asarray(previous[0]['top'], jnp.float32),
                'rows': jnp.zeros((), jnp.int32), 'low': jnp.full((), jnp.inf),
                'ids': jnp.zeros(0)}

    def update(self, state, coder, batch):
        TRACED.append(tuple(state))
        codes = batch['codes'][:, 0] + batch['offset']
        real = batch['mask'] > 0
        if 'rows' not in state:
            return {'top': jnp.maximum(state['top'],
                                       jnp.max(jnp.where(real, codes, -jnp.inf)))}
        above = real & (codes > state['top'] / 2)
        return {'top': state['top'], 'rows': state['rows'] + above.sum(),
                'low': jnp.minimum(state['low'],
                                   jnp.where(real, codes, jnp.inf).min()),
                'ids': jnp.concatenate([state['ids'], jnp.where(real, batch['row'], -1)])}

    def finalize(self, states, spec):
        return runner.Result(scalars={'top': states[0]['top'], 'rows': states[1]['rows'],
                                      'low': states[1]['low'], 'none': np.nan,
                                      'size': spec['size']},
                             arrays={'ids': states[1]['ids']})


@dataclasses.dataclass(frozen=True)
class Wants:
    needs: frozenset
    reduce = ('sum',)

    def init(self, spec, previous):
        return {}

    def update(self, state, coder, batch):
        return state

    def finalize(self, states, spec):
        return runner.Result(scalars={'ran': 1.0})


ROWS = {'x': np.arange(1, 8, dtype=np.float32)[:, None], 'row': np.arange(7)}


def feed(size=3):
    return lambda: runner.batches(ROWS, size)


def test_merge_by_hand():
    reduce = {'a': 'sum', 'b': ('max', 'min'), 'c': 'concat', 'd': 'keep'}
    one = {'a': {'x': np.ones(2), 'y': 1}, 'b': (1, 1), 'c': np.arange(2), 'd': 'same'}
    two = {'a': {'x': np.ones(2), 'y': 2}, 'b': (2, 2), 'c': np.arange(1), 'd': 'same'}
    got = runner.merge(reduce, one, two)
    np.testing.assert_array_equal(got['a']['x'], [2, 2])
    assert got['a']['y'] == 3 and got['b'] == (2, 1) and got['d'] == 'same'
    np.testing.assert_array_equal(got['c'], [0, 1, 0])
    with pytest.raises(config.ConfigError, match="'summ' is unknown; did you mean sum"):
        runner.merge('summ', 1, 2)


def test_merged_sums_are_float64():
    tick = {'n': jnp.ones((), jnp.float32)}
    big = {'n': np.float64(2 ** 24)}               # float32 would stay where it is
    assert runner.merge('sum', big, tick)['n'] == 2 ** 24 + 1


def test_batches_pad_and_mask():
    first, second, third = feed()()
    np.testing.assert_array_equal(third['mask'], [1, 0, 0])
    np.testing.assert_array_equal(third['row'], [6, 0, 0])
    assert first['x'].shape == third['x'].shape == (3, 1)


def test_two_passes_one_trace_each():
    TRACED.clear()
    for size in (3, 3, 7):
        result = runner.run({'p': Probe()}, coder.Neurons(1), feed(size), {'offset': 1.0})
        found = result['p'].scalars
        assert (found['top'], found['rows'], found['low'], found['size']) == (8, 4, 2, 2)
        ids = result['p'].arrays['ids']
        np.testing.assert_array_equal(np.sort(ids[ids >= 0]), np.arange(7))
    assert len(TRACED) == 4                    # two passes for each of two batch shapes


def test_nan_scalars_become_null_with_a_reason():
    results = runner.run({'p': Probe()}, coder.Neurons(1), feed(), {'offset': 1.0})
    flat = runner.scalars(results, 'floors/neurons')
    assert flat['floors/neurons/none'] is None and flat['floors/neurons/rows'] == 4
    assert 'null' in json.dumps(flat)
    assert runner.warnings(results, 'a') == ['a/none: not defined on these rows']
    assert set(runner.arrays(results)) == {'ids'}


def test_what_a_coder_cannot_give_is_skipped():
    wanted = {'all': Wants(frozenset({'x', 'codes'})), 'y': Wants(frozenset({'y_hat'})),
              'w': Wants(frozenset({'atoms', 'codes'}))}
    results = runner.run(wanted, controls.AlwaysOn(), feed())
    assert list(results) == ['all', 'y', 'w']
    assert results['all'].scalars == {'ran': 1.0} and not results['y'].scalars
    assert runner.warnings(results) == ['y: skipped, this coder gives no y_hat',
                                        'w: skipped, this coder gives no atoms']
    assert 'ran' in runner.scalars(runner.run(
        {'y': wanted['y']}, coder.Neurons(1), feed()))


def test_missing_rows_and_clashing_names_are_errors():
    with pytest.raises(config.ConfigError, match='evaluation s: needs states, which'):
        runner.run({'s': Wants(frozenset({'states', 'codes'}))}, coder.Neurons(1), feed())
    with pytest.raises(config.ConfigError, match='gave no batch'):
        runner.run({}, coder.Neurons(1), lambda: iter([]))
    both = {n: runner.Result(scalars={'fvu': 1.0}) for n in 'ab'}
    with pytest.raises(ValueError, match="b: 'fvu' is also the name"):
        runner.scalars(both)


def test_states_and_a_mean_shift_are_found():
    seen = {}

    @dataclasses.dataclass(frozen=True)
    class Spy(Wants):
        def init(self, spec, previous):
            seen.update(spec)
            return {}

    rows = ROWS | {'states': np.zeros((7, 4), bool), 'mask': np.ones(7)}
    runner.run({'s': Spy(frozenset({'x'}))}, coder.Neurons(1),
               lambda: runner.batches(rows, 2), {'d': 9})
    assert (seen['size'], seen['states'], seen['d']) == (2, 4, 9)
    np.testing.assert_allclose(seen['shift'], [1.5])
