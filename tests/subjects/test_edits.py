"""Every edit on hand-made activations, and edits within a forward pass."""
from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.dictionary import build
from saex.evals.dictionary import DictionaryCoder
from saex.subjects import edits, latents, where
from saex.subjects.decoder import Decoder
from saex.subjects.network import Network

MODEL = Decoder(vocab=7, context=6, layers=2, width=8, heads=2)
TOKENS = jax.random.randint(jax.random.key(0), (3, 6), 1, 7)
NETWORK = Network(MODEL, jax.jit(MODEL.init)(jax.random.key(1), TOKENS)['params'])
SITE = 'blocks.0.resid_post'
RUN = jax.jit(lambda changes: NETWORK.logits(TOKENS, edits=changes))
X = jnp.array([[[3.0, 4.0], [-3.0, 1.0]]])
V = jnp.array([2.0, 0.0])


@pytest.mark.parametrize('edit, expected', [
    (edits.identity('s'), [[3, 4], [-3, 1]]),
    (edits.add('s', V, 0.5), [[4, 4], [-2, 1]]),
    (edits.add_relative('s', V, 2.0), [[13, 4], [-3 + 2 * 10 ** 0.5, 1]]),
    (edits.multiply('s', 0.0), [[0, 0], [0, 0]]),
    (edits.replace('s', V), [[2, 0], [2, 0]]),
    (edits.project_out('s', V), [[0, 4], [0, 1]]),
    (edits.set_projection('s', V, 5.0), [[5, 4], [2, 1]]),      # relu(-3) = 0: -3 + 5
])
def test_vectors(edit, expected):
    np.testing.assert_allclose(edit(X)[0], expected, atol=1e-6)
    half = edit(X.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16


@struct.dataclass
class Pair:
    """z = relu(x), dec(z) = 2 z + 1: far from perfect, so that the error matters."""
    one: jax.Array = struct.field(default_factory=lambda: jnp.ones(()))

    def codes(self, batch):
        return jax.nn.relu(batch['x'])

    def reconstruct(self, batch, codes):
        return 2 * codes + self.one


def shift(args, z):
    return z + args


@pytest.mark.parametrize('edit, expected', [
    (latents.splice('s', Pair()), [[7, 9], [1, 3]]),
    (latents.edit_latents('s', Pair(), shift, 1.0), [[5, 6], [-1, 3]]),
    (latents.edit_latents('s', Pair(), shift, 0.0, keep_error=False), [[7, 9], [1, 3]]),
    (latents.scale('s', Pair(), 0, 2.0), [[9, 4], [-3, 1]]),    # inactive: untouched
    (latents.clamp('s', Pair(), 0, 1.0), [[-1, 4], [-1, 1]]),
    (latents.clamp('s', Pair(), [0, 1], [1.0, 0.0]), [[-1, -4], [-1, -1]]),
    (latents.clamp_min('s', Pair(), 0, 1.0), [[3, 4], [-1, 1]]),
    (latents.clamp_if_active('s', Pair(), 0, -5.0), [[-13, 4], [-3, 1]]),
    (latents.ablate('s', Pair(), [0, 1]), [[-3, -4], [-3, -1]]),
    (latents.gradient_toward('s', Pair(), jnp.array([1.0, 2.0]), 0.25, 2),
     [[3 - 2 * 1.5, 4 - 2 * 1.5], [-3 + 2 * 0.75, 1 + 2 * 0.75]]),
])
def test_latents(edit, expected):
    """Toward: z_2 = target + (1 - 2/4)^2 (z_0 - target)."""
    np.testing.assert_allclose(edit(X)[0], expected, atol=1e-6)


def test_edits_that_do_nothing_are_bit_exact():
    changes = (
        edits.add(SITE, jnp.ones(8), 0.0), edits.add_relative(SITE, jnp.ones(8), 0.0),
        edits.multiply(SITE, 1.0), latents.edit_latents(SITE, Pair(), shift, 0.0),
        latents.scale(SITE, Pair(), [0, 3], 1.0), latents.clamp_min(SITE, Pair(), 2, 0.0),
        latents.gradient_toward(SITE, Pair(), jnp.ones(8), 0.1, 0))
    x = NETWORK.capture(TOKENS, SITE)
    for edit in changes:
        np.testing.assert_array_equal(edit(x), x)
    np.testing.assert_array_equal(RUN(changes), RUN(()))


@pytest.mark.parametrize('transform', ['standardise', 'scale'])
def test_a_dictionary_as_the_coder(transform):
    """Ablating a latent moves x by -z_i times its atom, seen through the transform."""
    made = build.dictionary(dict(features=16, transform=transform,
                                 selector=dict(name='topk', k=4)), 8)
    x = NETWORK.capture(TOKENS, SITE)
    rows = x.reshape(-1, 8)
    variables = jax.jit(made.init)(jax.random.key(3), rows)
    coder = DictionaryCoder(made, variables['params'], variables['stats'])
    same = latents.scale(SITE, coder, jnp.arange(16), 1.0)
    np.testing.assert_array_equal(RUN((same,)), RUN(()))
    spliced = latents.splice(SITE, coder)(x)
    np.testing.assert_allclose(spliced.reshape(-1, 8), coder.reconstruct(
        {'x': rows}, coder.codes({'x': rows})), atol=1e-6)
    gone = latents.ablate(SITE, coder, 3)(x).reshape(-1, 8)
    z = coder.codes({'x': rows})[:, 3:4]
    std = jnp.std(rows, axis=1, keepdims=True, ddof=1) + 1e-5
    atom = variables['params']['decoder']['w_dec'][3]
    unit = std if transform == 'standardise' else 1.0
    np.testing.assert_allclose(gone - rows, -z * atom * unit, atol=1e-5)
    np.testing.assert_array_equal(gone[z[:, 0] == 0], rows[z[:, 0] == 0])
    assert (z > 0).any() and (z == 0).any()


def test_edits_are_idempotent_and_apply_in_order():
    out = edits.project_out('s', V)
    np.testing.assert_array_equal(out(out(X)), out(X))
    found = NETWORK.capture(TOKENS, SITE, edits=(edits.replace(SITE, jnp.ones(8)),
                                                 edits.multiply(SITE, 3.0)))
    np.testing.assert_array_equal(found, np.full((3, 6, 8), 3.0))


def test_sweeping_a_strength_compiles_once_and_where_is_exact():
    @jax.jit
    def run(edit):
        return MODEL.apply({'params': NETWORK.params}, TOKENS, edits=(edit,),
                           capture=(SITE, f'{SITE}:raw'))[1]

    for strength in range(10):
        held = run(edits.add(SITE, jnp.ones(8), strength, where.span(2, 3)))
        moved = held[SITE] - held[f'{SITE}:raw']
        np.testing.assert_allclose(moved[:, 2], strength, atol=1e-5)
        np.testing.assert_array_equal(np.delete(moved, 2, 1), 0)
    assert run._cache_size() == 1
    logits = jax.vmap(lambda s: NETWORK.logits(TOKENS, (edits.add(SITE, jnp.ones(8), s),)))
    assert jax.eval_shape(logits, jnp.arange(3.0)).shape == (3, 3, 6, 7)


MASK = np.array([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
PROMPT = np.array([[1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 0], [1, 1, 1, 0, 0, 0]])


@pytest.mark.parametrize('which, expected', [
    (where.everywhere(), MASK),
    (where.first(), [[1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]]),
    (where.last(), [[0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0], [0, 0, 1, 0, 0, 0]]),
    (where.prompt(), PROMPT), (where.generated(), MASK - PROMPT),
    (where.span(1, 3), [[0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 1, 1, 0, 0, 0]]),
    (where.span([0, 3, 1], [1, 9, 2]),
     [[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0]]),
    (where.positions([[1, 0], [0, 1], [0, 0]]),
     [[1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0]]),
    (where.tokens([5, 2]), MASK * np.isin(TOKENS, [2, 5])),
    (where.prompt() & ~where.last() & ~where.first(),
     [[0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]]),
    (where.first() | where.last(),
     [[1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 1, 0], [1, 0, 1, 0, 0, 0]]),
    (jnp.asarray(MASK, bool), MASK),
], ids=['everywhere', 'first', 'last', 'prompt', 'generated', 'span', 'spans', 'positions',
        'tokens', 'inside the prompt', 'first or last', 'mask'])
def test_where(which, expected):
    edit = edits.add(SITE, jnp.ones(8), 1.0, which)
    held = MODEL.apply({'params': NETWORK.params}, TOKENS, edits=(edit,), mask=MASK,
                       prompt=PROMPT, capture=(SITE, f'{SITE}:raw'))[1]
    moved = (held[SITE] != held[f'{SITE}:raw']).any(-1)
    np.testing.assert_array_equal(moved, np.asarray(expected, bool))


@pytest.mark.parametrize('site, width', [('attn_q', 4), ('attn_pattern', 6), ('mlp_act', 32)])
def test_where_at_sites_of_other_shapes(site, width):
    site = f'blocks.1.{site}'
    held = MODEL.apply({'params': NETWORK.params}, TOKENS, capture=(site, f'{site}:raw'),
                       edits=(edits.add(site, jnp.ones(width), 1.0, where.last()),))[1]
    moved = np.asarray(held[site] != held[f'{site}:raw'])
    time = 2 if 'pattern' in site else 1
    axes = tuple(a for a in range(moved.ndim) if a != time)
    np.testing.assert_array_equal(moved.any(axes), [0, 0, 0, 0, 0, 1])


def test_a_mask_that_does_not_fit_is_named():
    edit = edits.add(SITE, jnp.ones(8), 1.0, jnp.ones((3, 5), bool))
    with pytest.raises(config.ConfigError, match=r'\[3, 5\] over \[3, 6, 8\]; for generation'):
        NETWORK.logits(TOKENS, edits=(edit,))


def test_gradients_equal_finite_differences():
    sites = ['blocks.0.attn_q', 'blocks.1.attn_pattern', 'logits']

    def metric(logits):
        return jnp.sum(jnp.sin(logits[:, -1]))

    found = jax.jit(lambda: NETWORK.gradients(TOKENS, sites, metric))()
    run = jax.jit(lambda edit: metric(NETWORK.logits(TOKENS, (edit,))))
    for site in sites:
        along = jax.random.normal(jax.random.key(2), found[site].shape)
        up, down = (run(edits.add(site, along, s)) for s in (3e-3, -3e-3))
        np.testing.assert_allclose(jnp.sum(found[site] * along), (up - down) / 6e-3,
                                   rtol=2e-3, atol=2e-3)


def test_ids_of_another_tokenizer_are_refused():
    with pytest.raises(config.ConfigError, match='ids from 2 to 7; the subject knows 0 to 6'):
        NETWORK.capture(np.array([[2, 7]]), SITE)
