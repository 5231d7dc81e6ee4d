from types import SimpleNamespace

from flax import struct
import numpy as np

from saex.evals import sentences

WORDS = ('<pad>', 'a', 'cat', 'dog', 'sun', 'sky')
WORLD = SimpleNamespace(vocab=6, token_names=WORDS, tokens=SimpleNamespace(
    special=(0,), text=lambda ids: ' '.join(WORDS[i] for i in ids)))


@struct.dataclass
class Coder:
    """x is the codes."""
    def codes(self, batch):
        return batch['x']


def test_a_word_and_a_coherent_latent_by_hand():
    """400 sentences 'a' + two random words. Latent 0 is 'cat' exactly; latent 1 is largest
    on six sentences 'a sun sky' and else random, too often to detect a word; latent 2 fires
    too rarely to be judged."""
    rng = np.random.default_rng(0)
    pairs = np.stack([rng.permutation([2, 3, 4, 5])[:2] for _ in range(400)])
    pairs[:6] = 4, 5
    tokens = np.concatenate([np.ones((400, 1), int), pairs, np.zeros((400, 1), int)], 1)
    x = np.zeros((400, 3), np.float32)
    x[:, 0] = (pairs == 2).any(1)
    x[:, 1] = rng.random(400) < 0.1
    x[:6, 1] = 5 + np.arange(6)
    x[7, 2] = 1
    rows = {'x': x, 'sequence': np.arange(400), 'sequences': tokens}
    found = sentences.describe(Coder(), WORLD, rows)
    assert found.scalars['judged_latents'] == 2
    np.testing.assert_allclose(found.scalars['coherence'], 0.1)      # 1 of one latent in ten
    assert "latent 0: word_f1 1.000, nearest word 'cat'" in found.text
    lines = found.text.split('latent 1: coherence 1.000')[1].splitlines()[1:7]
    assert [line.split() for line in lines] == [
        [f'{10 - i}.00', 'a', 'sun', 'sky'] for i in range(6)]
    assert '<pad>' not in found.text and 'latent 2' not in found.text
