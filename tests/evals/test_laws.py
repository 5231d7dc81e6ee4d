"""Laws of every evaluation, found by listing the folders."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.evals import coder, runner

FOLDERS = ('acts', 'labelled', 'model')
ALL = [(f, n) for f in FOLDERS for n in config.names(f'saex.evals.{f}')]
D, N, C, V, T = 6, 90, 4, 5, 6


def rows_of(folder, seed=0):
    """(arrays with one leading axis, spec): everything any evaluation may need."""
    rng = np.random.default_rng(seed)
    if folder == 'model':
        table = jnp.asarray(rng.normal(size=(V, D)), jnp.float32)
        rows = {'tokens': rng.integers(V, size=(N, T)),
                'targets': rng.integers(V, size=(N, T)),
                'weights': rng.integers(2, size=(N, T)).astype(np.float32),
                'harvest': rng.random((N, T)) < .5}
        logits = jax.tree_util.Partial(
            lambda w, tokens, at_site: at_site(w[tokens]) @ w.T, table)
        return rows, {'logits': logits, 'mean': table.mean(0)}
    true_atoms = rng.normal(size=(8, D)).astype(np.float32)
    true_codes = ((rng.random((N, 8)) < .4) * rng.random((N, 8))).astype(np.float32)
    rows = {'x': true_codes @ true_atoms + 2, 'true_codes': true_codes,
            'states': np.eye(C, dtype=bool)[rng.integers(C, size=N)],
            'split': (np.arange(N) % 2).astype(np.float32),
            'tokens': rng.integers(V, size=N), 'window': rng.integers(V, size=(N, 3))}
    return rows, {'true_atoms': true_atoms}


def a_coder():
    x = np.random.default_rng(5).normal(size=(50, D))
    return coder.RandomDictionary.fit(jax.random.key(1), x, 10, 3)


def build(folder, name):
    return config.build(f'saex.evals.{folder}', name)


def compare(got, want, rtol=2e-4, atol=2e-5):
    assert got.scalars.keys() == want.scalars.keys()
    for kind in ('scalars', 'per_latent', 'arrays'):
        for name, value in getattr(want, kind).items():
            np.testing.assert_allclose(getattr(got, kind)[name], value, rtol, atol,
                                       err_msg=name)
    assert got.warnings == want.warnings


@pytest.fixture(scope='module')
def whole():
    """The Result of each evaluation on all rows at once."""
    found = {}
    for folder, name in ALL:
        rows, spec = rows_of(folder)
        found[name] = runner.run({name: build(folder, name)}, a_coder(),
                                 lambda rows=rows: runner.batches(rows, N), spec)[name]
    return found


@pytest.mark.parametrize('folder, name', ALL)
def test_declarations(folder, name, whole):
    one = build(folder, name)
    assert isinstance(one.needs, frozenset) and len(one.reduce) == one.passes
    assert hash(one) == hash(build(folder, name)) and one == build(folder, name)
    assert whole[name].scalars
    assert all(type(v) is float for v in whole[name].scalars.values())
    for value in whole[name].per_latent.values():
        assert value.shape == (10,)


@pytest.mark.parametrize('folder, name', ALL)
def test_shards_in_any_order_give_the_same(folder, name, whole):
    rows, spec = rows_of(folder)
    order = np.random.default_rng(9).permutation(N)
    rows = {k: v[order] for k, v in rows.items()}
    got = runner.run({name: build(folder, name)}, a_coder(),
                     lambda: runner.batches(rows, 32), spec)[name]
    compare(got, whole[name])


@pytest.mark.parametrize('folder, name', ALL)
def test_masked_rows_are_inert(folder, name, whole):
    rows, spec = rows_of(folder)
    junk = {k: np.full_like(v[:30], np.nan if v.dtype.kind == 'f' else 1)
            for k, v in rows.items()}
    mixed = {k: np.concatenate([junk[k], v]) for k, v in rows.items()}
    mixed['mask'] = (np.arange(N + 30) >= 30).astype(np.float32)
    got = runner.run({name: build(folder, name)}, a_coder(),
                     lambda: runner.batches(mixed, 40), spec)[name]
    compare(got, whole[name])


@pytest.mark.parametrize('folder, name', ALL)
def test_merge_law(folder, name):
    """merge(update(s0, a), update(s0, b)) = update(update(s0, a), b), in every pass."""
    rows, spec = rows_of(folder)
    one, by = build(folder, name), a_coder()
    full = spec | {'size': 10, 'd': D, 'states': C, 'features': 8, 'atoms': by.atoms(),
                   'shift': jnp.ones(D)}
    feed = {k: full[k] for k in one.needs if k in full and k not in rows}
    a, b = ({'mask': jnp.ones(len(p))} | {k: jnp.asarray(v[p]) for k, v in rows.items()}
            for p in np.split(np.arange(N), [50]))
    if 'x' in rows:
        for part in (a, b):
            part['codes'] = by.codes(part)
            part['y_hat'] = by.reconstruct(part, part['codes'])
    previous = []
    for reduce in one.reduce:
        neutral = one.init(full, previous)
        update = jax.jit(lambda s, part: one.update(s, by, part | feed))
        first = update(neutral, a)
        left = runner.merge(reduce, first, update(neutral, b))
        right = update(first, b)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, 2e-5, 1e-5),
                     left, right)
        jax.tree.map(lambda x, y: np.testing.assert_array_equal(x, y),
                     runner.merge(reduce, neutral, first), first)
        previous.append(jax.tree.map(lambda v: np.asarray(v, np.float64), left))
