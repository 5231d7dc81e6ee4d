import jax
import numpy as np
import pytest
from scipy import stats

from saex import config
from saex.data.sources import _atoms
from saex.data.sources import _firing
from saex.data.sources import planted

ROWS = 20_000


def drawn(n=ROWS, **options):
    world = planted.Planted(**{'d_in': 8, 'features': 24, 'l0': None} | options)
    assert world.problems() == []
    batch = world.rows(jax.random.key(1), n)
    return world, np.asarray(batch['x']), np.asarray(batch['true_codes'])


def assert_marginals(world, codes):
    p = world.probabilities
    error = np.abs((codes != 0).mean(axis=0) - p)
    assert np.all(error <= 4 * np.sqrt(p * (1 - p) / len(codes)))


@pytest.mark.parametrize('law', _firing.LAWS)
def test_marginals_of_each_law(law):
    world, _, codes = drawn(law=law, p_min=.01, p_max=.3)
    p = world.probabilities
    assert np.all(np.diff(p) <= 0) and p[0] <= .3 and p[-1] >= .01
    assert_marginals(world, codes)


def test_laws_by_hand():
    def p(law, exponent=1.0, l0=None, n=3):
        return _firing.frequencies(law, n, exponent, .1, .4, l0, np.random.default_rng(0))
    np.testing.assert_allclose(p('zipf'), [.4, .1 + .3 * (1 / 6) / (2 / 3), .1])
    np.testing.assert_allclose(p('zipf', 2.0)[1], .1 + .3 * (1 / 4 - 1 / 9) / (8 / 9))
    np.testing.assert_allclose(p('linear'), [.4, .25, .1])
    np.testing.assert_allclose(p('uniform'), [.4] * 3)
    u = np.sort(np.random.default_rng(0).random(3))[::-1]
    np.testing.assert_allclose(p('random'), .1 + .3 * u)
    np.testing.assert_allclose(p('log_uniform'), .1 * 4 ** u)
    # c (1, 1/2, 1/3) clipped to [.1, .4]: the first is at .4 and c (1/2 + 1/3) = .5
    np.testing.assert_allclose(p('zipf', l0=.9), [.4, .3, .2])
    np.testing.assert_allclose(p('uniform', l0=.6), [.2] * 3)


def test_reference_world():
    world = planted.Planted()
    p = world.probabilities
    assert world.spec == {'d_in': 64, 'features': 256}
    assert p.sum() == pytest.approx(8.0, abs=1e-9)
    np.testing.assert_array_equal(p[:3], .5)
    np.testing.assert_allclose(p[3:] * np.arange(4, 257), p[3] * 4)
    codes = np.asarray(world.batch(0, 4096)['true_codes'])
    l0 = (codes != 0).sum(axis=1)
    assert abs(l0.mean() - 8) < 4 * np.sqrt((p * (1 - p)).sum() / 4096)
    sizes = codes[codes != 0]
    assert sizes.mean() == pytest.approx(1, abs=.01)
    assert sizes.std() == pytest.approx(.15, abs=.01)


def test_children_fire_with_their_parent_and_as_often_as_asked():
    for correlation_rank in (0, 4):
        world, _, codes = drawn(features=32, branching=2, depth=3, p_min=.05, p_max=.4,
                                correlation_rank=correlation_rank, correlation=.3)
        on, parent = codes != 0, world.forest.parent
        # four trees of 1 + 2 + 4 and four roots alone
        assert world.forest.levels == ((0, 8), (8, 16), (16, 32))
        assert list(parent[:16]) == [-1] * 8 + [0, 0, 1, 1, 2, 2, 3, 3]
        assert list(parent[16:20]) == [8, 8, 9, 9] and parent[-1] == 15
        child = np.flatnonzero(parent >= 0)
        assert np.all(on[:, parent[child]] >= on[:, child])
        assert_marginals(world, codes)


def test_exclusive_siblings_never_fire_together():
    options = dict(features=12, branching=3, l0=1.0)     # three trees of 1 + 3
    world, _, codes = drawn(exclusive=True, **options)
    on, parent = codes != 0, world.forest.parent
    family = [on[:, parent == i].sum(axis=1) for i in range(3)]
    assert max(f.max() for f in family) == 1
    assert_marginals(world, codes)
    free = drawn(exclusive=False, **options)[2] != 0
    assert free[:, parent == 0].sum(axis=1).max() > 1


def test_copula_correlates_as_its_loadings_say():
    world, _, codes = drawn(features=6, law='uniform', p_max=.2, correlation_rank=2,
                            correlation=.7)
    assert_marginals(world, codes)
    on, a = codes != 0, world.loadings()
    assert np.linalg.norm(a, axis=1).max() <= .99 + 1e-9
    seen = set()
    for i in range(6):
        for j in range(i):
            r = a[i] @ a[j]
            threshold = stats.norm.ppf(.2)
            both = stats.multivariate_normal.cdf([threshold] * 2, cov=[[1, r], [r, 1]])
            found = (on[:, i] & on[:, j]).mean()
            assert abs(found - both) < 4 * np.sqrt(both * (1 - both) / ROWS) + 1e-4
            if abs(r) > .2:
                assert (found > .04) == (r > 0)
                seen.add(r > 0)
    assert seen == {True, False}


@pytest.mark.parametrize('kind,distribution', [
    ('rectified', stats.norm(1, .15)), ('folded', stats.halfnorm()),
    ('exponential', stats.expon())])
def test_magnitudes(kind, distribution):
    codes = drawn(4000, magnitude=kind, law='uniform', p_max=.2)[2]
    assert stats.kstest(codes[codes != 0], distribution.cdf).pvalue > 1e-3


def test_signed_features_fire_with_either_sign():
    codes = drawn(signed=.25, law='uniform', p_max=.3)[2]
    negative = (codes < 0).sum(axis=0) / (codes != 0).sum(axis=0)
    assert np.count_nonzero(negative) == 6
    assert np.abs(negative[negative > 0] - .5).max() < 4 * np.sqrt(.25 / (.3 * ROWS))


def test_x_is_the_sum_of_its_parts():
    world, x, codes = drawn(200, bias=2.0)
    bias = x - codes @ np.asarray(world.dictionary())
    np.testing.assert_allclose(bias, np.broadcast_to(bias[0], x.shape), atol=1e-5)
    assert np.linalg.norm(bias[0]) == pytest.approx(2, rel=1e-5)
    noise = drawn(ROWS, bias=2.0, noise=.3)
    rest = noise[1] - noise[2] @ np.asarray(world.dictionary()) - bias[0]
    assert rest.std() == pytest.approx(.3, rel=.02)
    assert abs(np.corrcoef(rest.T) - np.eye(8)).max() < .04


def test_atoms_are_unit_rows_of_the_asked_rank():
    def atoms(**options):
        world = planted.Planted(**{'d_in': 32, 'features': 96, 'l0': 4.0} | options)
        found = np.asarray(world.dictionary())
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-5)
        return found
    assert np.linalg.matrix_rank(atoms(subspace=5), tol=1e-4) == 5
    assert np.linalg.matrix_rank(atoms(), tol=1e-4) == 32
    eye = atoms(features=20, atoms='orthogonal')
    np.testing.assert_allclose(eye @ eye.T, np.eye(20), atol=1e-5)
    x = drawn(300, subspace=3)[1]
    assert np.linalg.matrix_rank(x, tol=1e-3) == 3

    def overlap(rows):
        return (np.abs(rows @ rows.T) - np.eye(len(rows))).max(axis=1).mean()
    assert overlap(atoms(atoms='orthogonalised')) < .85 * overlap(atoms())
    # two dimensions hold two orthogonal rows, and Adam finds them from nearly equal ones
    near = np.array([[1, 0], [np.cos(.1), np.sin(.1)]], np.float32)
    assert abs(np.prod(_atoms.spread(near), axis=0).sum()) < .1


def test_batches_are_exact_functions_of_seed_and_step():
    one, two = planted.Planted(), planted.Planted()
    late = two.batch(9, 32)
    for name, value in one.batch(9, 32).items():
        assert np.array_equal(value, late[name]) and value.dtype == np.float32
    x = np.asarray(one.batch(9, 32)['x'])
    assert not np.array_equal(x, one.batch(10, 32)['x'])
    assert not np.array_equal(x, planted.Planted(seed=1).batch(9, 32)['x'])
    assert one.fingerprint == two.fingerprint != planted.Planted(seed=1).fingerprint


def test_first_use_inside_a_trace_leaves_no_tracer():
    world = planted.Planted(d_in=8, features=12, l0=2.0, atoms='orthogonalised')
    inside = jax.jit(lambda key: world.rows(key, 4)['x'])(jax.random.key(0))
    np.testing.assert_allclose(inside, world.rows(jax.random.key(0), 4)['x'], atol=1e-6)
    assert np.asarray(world.dictionary()).shape == (12, 8)


@pytest.mark.parametrize('options,line', [
    (dict(law='zip'), "law: no 'zip'; did you mean zipf?"),
    (dict(p_max=1.5), 'p_max: expected a probability above 0, got 1.5'),
    (dict(law='log_uniform'), 'p_min: expected > 0 for log_uniform, got 0.0'),
    (dict(l0=200), 'l0: 200 is out of reach between p_min and p_max; the nearest is 128'),
    (dict(atoms='orthogonal'), 'features: 256 cannot be orthogonal in 64 dimensions'),
    (dict(features=6, branching=6), 'features: expected a tree of 7 at least, got 6'),
    (dict(subspace=65), 'subspace: expected 0 to 64, got 65'),
    (dict(law='uniform', branching=7, exclusive=True),
     'exclusive: the children of feature 0 fire 7 times as often as it does')])
def test_problems(options, line):
    with pytest.raises(config.ConfigError) as error:
        config.build('saex.data.sources', dict(name='planted') | options)
    assert error.value.problems == ['sources.' + line]
