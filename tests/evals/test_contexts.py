from types import SimpleNamespace

from flax import struct
import jax.numpy as jnp
import numpy as np

from saex.evals import contexts

WORLD = SimpleNamespace(token_names=tuple('abcd'), state_names=('upper', 'quoted', 'late'),
                        context_names=('quoted', 'late'))


@struct.dataclass
class Coder:
    """x is the codes."""
    def codes(self, batch):
        return batch['x']


def test_planted_latents_are_found_and_scored_by_hand():
    rng = np.random.default_rng(0)
    sequences = rng.integers(0, 4, (40, 10))
    sequence, position = np.divmod(np.arange(400), 10)
    tokens, states = sequences.ravel(), rng.random((400, 3)) < 0.4
    x = np.zeros((400, 5), np.float32)
    x[:, 0] = 1.0 * (tokens == 2)                                # lexical, exact
    x[:, 1] = np.where(states[:, 1], 2.0 + position, 0)          # context, exact
    x[:, 2] = np.where(tokens == 1, 1.0, 0) * states[:, 2]       # lexical, a part of 'b'
    x[0, 3] = 9.0                                                # too rare to be judged
    rows = {'x': x, 'tokens': tokens, 'states': states, 'sequence': sequence,
            'position': position, 'sequences': sequences}
    found = contexts.describe(Coder(), WORLD, rows)
    odd = sequence % 2 == 1
    part, whole = (x[odd, 2] > 0).sum(), (tokens[odd] == 1).sum()
    np.testing.assert_allclose(found.scalars['lexical_f1'],
                               (1 + 2 * part / (part + whole)) / 10)
    np.testing.assert_allclose(found.scalars['context_f1'], 0.1)
    assert found.scalars['judged_latents'] == 3
    np.testing.assert_allclose(found.scalars['lexical_share'], 2 / 3)
    assert "latent 0: 'c', F1 1.000" in found.text
    assert "latent 1: 'quoted', F1 1.000" in found.text and 'latent 3' not in found.text
    top = found.text.split("'quoted'")[1].splitlines()[1]
    best = np.argmax(np.where(states[:, 1], position, -1))
    assert top.split() == ['11.00', f'{"".join("abcd"[t] for t in sequences[best // 10][:9])}'
                           f'«{"abcd"[tokens[best]]}»']


def test_padding_of_the_last_batch_counts_nothing():
    codes = contexts.codes_of(Coder(), jnp.ones((5, 3)))
    assert codes.shape == (5, 3) and codes.sum() == 15
