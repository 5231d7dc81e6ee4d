import numpy as np
import pytest

from saex.evals import controls, runner
from saex.evals.labelled import states


def given(codes, truth, split, size=8, **options):
    """The Result of codes [N, M], handed over as a soft 'posterior'."""
    codes = np.asarray(codes, np.float32)
    rows = {'x': np.zeros((len(codes), 1), np.float32), 'posterior': codes,
            'states': np.asarray(truth, bool), 'split': np.asarray(split, np.float32)}
    coder = controls.Posterior(size=codes.shape[1], hard=False)
    return runner.run({'s': states.States(**options)}, coder,
                      lambda: runner.batches(rows, size))['s']


def planted(n=200, c=4, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.eye(c, dtype=bool)[rng.integers(c, size=n)]
    return rng, truth, np.arange(n) >= n // 2


def loop(codes, truth, split, precision=.95, minimum_on=10):
    """An independent reading of the definitions, one classifier at a time."""
    train, test = split == 0, split == 1
    top = np.maximum(codes[train].max(0), 0)
    grid = (np.arange(10) / 10).astype(np.float32)

    def f1(said, y):
        return 2 * (said & y).sum() / max(said.sum() + y.sum(), 1)

    m, c = codes.shape[1], truth.shape[1]
    table = np.array([[[f1(codes[train, i] > t * top[i], truth[train, j])
                        for j in range(c)] for i in range(m)] for t in grid])
    t = table.max(1).mean(1).argmax()
    shared = [f1(codes[test, i] > grid[t] * top[i], truth[test, j])
              for j, i in enumerate(table[t].argmax(0))]
    own = []
    for j in range(c):
        tj, i = np.unravel_index(table[:, :, j].argmax(), (10, m))
        own.append(f1(codes[test, i] > grid[tj] * top[i], truth[test, j]))
    rebuilt = []
    for t in grid:
        on = codes > t * top
        row = []
        for j in range(c):
            use = [i for i in range(m) if on[train, i].sum() >= minimum_on and
                   truth[train & on[:, i], j].mean() >= precision]
            said = on[:, use].any(1)
            row.append((f1(said[train], truth[train, j]), f1(said[test], truth[test, j])))
        rebuilt.append(np.mean(row, 0))
    best = np.argmax([r[0] for r in rebuilt])
    return np.mean(shared), np.mean(own), rebuilt[best][1]


def test_oracle_codes_are_perfect():
    _, truth, split = planted()
    s = given(truth, truth, split, size=64).scalars
    for name in ('state_coverage', 'state_coverage_per_state_threshold',
                 'state_reconstruction', 'state_lift'):
        assert s[name] == pytest.approx(1.0, abs=1e-12), name
    assert s['states_above_0.9'] == 4 and s['selective_states'] == 4


def test_constant_latent_scores_the_base_rate_floor():
    _, truth, split = planted()
    result = given(np.ones((200, 1)), truth, split, size=64)
    p = truth[split].mean(axis=0)
    want = np.mean(2 * p / (1 + p))
    assert result.scalars['state_coverage'] == pytest.approx(want, abs=1e-12)
    assert result.scalars['state_floor'] == pytest.approx(want, abs=1e-12)
    assert result.scalars['state_lift'] == pytest.approx(0.0, abs=1e-12)
    assert result.scalars['state_reconstruction'] == 0.0


def test_against_a_plain_loop():
    rng, truth, split = planted(n=300, c=3, seed=1)
    codes = np.maximum(rng.normal(size=(300, 7)), 0)
    codes[:, :3] += truth * rng.random((300, 3)) * 3
    codes[:, 3] = (truth[:, 0] & (rng.random(300) < .5)) * rng.random(300)
    codes[:, 4] = -1.0
    codes = codes.astype(np.float32)
    s = given(codes, truth, split, size=70).scalars
    got = [s['state_coverage'], s['state_coverage_per_state_threshold'],
           s['state_reconstruction']]
    np.testing.assert_allclose(got, loop(codes, truth, split), rtol=1e-12)
    assert 0 < got[2] < 1


def test_choice_is_made_on_train_and_scored_on_test():
    # latent 0 is right on the train rows only, latent 1 on the test rows only
    truth = np.tile([[1], [0]], (40, 1)).astype(bool)
    split = np.arange(80) >= 40
    right, wrong = truth[:, 0], ~truth[:, 0]
    codes = np.stack([np.where(split, wrong, right), np.where(split, right, wrong)], 1)
    s = given(codes, truth, split, size=32).scalars
    assert s['state_coverage'] == 0.0 and s['state_reconstruction'] == 0.0


def test_scores_by_hand():
    # train: state 0 on rows 0-3; latent 0 is 2 on rows 0, 1 and 10 on row 2, 1 on row 5
    #   t = 0: TP 3, ON 4, P 4 -> 6/8;   t = .1: rows 0, 1, 2 -> 6/7 (1 > 1 is off)
    #   t = .2: only row 2 -> 2/5
    # test: state 0 on rows 8, 9; the latent is 1.5 on rows 8, 10 -> at t = .1 F1 = 2/4
    codes = np.zeros((16, 2))
    codes[[0, 1, 2, 5, 8, 10], 0] = [2, 2, 10, 1, 1.5, 1.5]
    truth = np.zeros((16, 2), bool)
    truth[[0, 1, 2, 3, 8, 9], 0] = True
    result = given(codes, truth, np.arange(16) >= 8, minimum_on=3)
    s, a = result.scalars, result.arrays
    assert s['state_coverage'] == s['state_coverage_per_state_threshold'] == 0.5
    assert s['state_threshold'] == pytest.approx(0.1)
    # classifier (t = .1, latent 0) has precision 1 on 3 rows
    assert s['state_reconstruction'] == 0.5 and s['high_precision_latents'] == 1
    assert s['state_floor'] == pytest.approx(2 * .25 / 1.25)
    assert s['states_scored'] == 1 and s['states_above_0.5'] == 0
    np.testing.assert_array_equal(a['state_f1'], [0.5, np.nan])
    np.testing.assert_array_equal(a['state_best_latent'], [0, np.nan])
    np.testing.assert_allclose(a['mean_activation'][:, 0], [15.5 / 6, 0], rtol=1e-6)
    assert np.isnan(a['mean_activation'][:, 1]).all()
    assert result.warnings == [
        'states_scored: 1 of 2 states are missing from the train or the test rows']
    # with the default of 10 rows nothing is trusted
    strict = given(codes, truth, np.arange(16) >= 8).scalars
    assert strict['state_reconstruction'] == 0.0 and strict['high_precision_latents'] == 0


def test_selectivity_needs_frequency():
    truth = np.eye(2, dtype=bool)[np.arange(40) % 2]
    codes = np.zeros((40, 3))
    codes[0, 0] = 1.0                   # fired once: selective, but rare
    codes[::2, 1] = 1.0                 # only in state 0
    codes[:, 2] = 1.0                   # everywhere: .5 of its activation in each
    result = given(codes, truth, np.arange(40) >= 20, frequent=0.1)
    np.testing.assert_allclose(result.per_latent['selectivity'], [1, 1, .5])
    s = result.scalars
    assert s['frequent_latents'] == 2
    assert s['selective_latents'] == s['selective_states'] == 1


def test_no_test_rows_is_nan_with_a_reason():
    _, truth, _ = planted(n=20)
    result = given(truth, truth, np.zeros(20))
    assert np.isnan(result.scalars['state_coverage'])
    lines = [line.split(':')[0] for line in result.warnings]
    assert {'states_scored', 'state_coverage', 'state_reconstruction'} <= set(lines)


def test_bad_options_are_named():
    assert states.States(thresholds=0, precision=2.0).problems() == [
        'thresholds: expected >= 1, got 0', 'precision: expected 0 to 1, got 2.0']
