import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.subjects import edits, weights
from saex.subjects.checkpoints.load import load

GOLDEN = pathlib.Path(__file__).parent / 'golden'
TOKENS = jnp.array([[3, 5, 7, 4, 9, 2]])


def test_orthogonalised_weights_equal_projecting_out_at_every_write():
    """Neither ties its head, so that only the stream changes."""
    network = load(GOLDEN / 'gpt_neox_serial')
    v = jax.random.normal(jax.random.key(0), (8,))
    changed = weights.orthogonalise(network, v)
    writes = [s for s in network.model.sites() if s.endswith(('embed', 'attn_out', 'mlp_out'))]
    projected = [edits.project_out(site, v) for site in writes]
    run = jax.jit(lambda n, e: n.logits(TOKENS, edits=e))
    np.testing.assert_allclose(run(changed, ()), run(network, projected), atol=2e-6)
    assert np.abs(run(changed, ()) - run(network, ())).max() > 1e-3
    stream = changed.capture(TOKENS, 'blocks.1.resid_post')
    np.testing.assert_allclose(stream @ v, 0, atol=1e-5)


@pytest.mark.parametrize('family, line', [
    ('gemma2', 'the norm after each writer'), ('bert', 'the norm of the embeddings'),
    ('dinov2', 'a learned gain'), ('gpt2', r'expected \[8\], got \[3\]')])
def test_where_it_cannot_be(family, line):
    with pytest.raises(config.ConfigError, match=line):
        weights.orthogonalise(load(GOLDEN / family), np.ones(3))
