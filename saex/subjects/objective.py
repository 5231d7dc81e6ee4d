"""Next-token loss and accuracy of a subject."""
import jax
import jax.numpy as jnp

__all__ = []       # not itself a subject


def cross_entropy(logits, batch):
    """-Sum_v p_v log softmax(logits)_v in nats, [n, T]; p is one-hot on 'targets', or
    'soft_targets' where the world gives a distribution."""
    log_p = jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
    if 'soft_targets' in batch:
        return -jnp.sum(batch['soft_targets'] * log_p, axis=-1)
    return -jnp.take_along_axis(log_p, batch['targets'][..., None], axis=-1)[..., 0]


def loss(logits, batch):
    """Weighted mean cross-entropy, a scalar."""
    weights = batch['weights']
    return jnp.sum(cross_entropy(logits, batch) * weights) / jnp.maximum(weights.sum(), 1.0)


def accuracy(logits, batch):
    """Share of the scored positions whose most probable token is right, a scalar."""
    guess = jnp.argmax(logits, axis=-1)
    if 'correct' in batch:
        right = jnp.take_along_axis(batch['correct'], guess[..., None], axis=-1)[..., 0]
    else:
        right = guess == batch['targets']
    score = batch['score']
    return jnp.sum(right & score) / jnp.maximum(jnp.sum(score), 1)


def predicts(model) -> bool:
    """Whether a subject gives logits of the next token."""
    return 'logits' in model.sites() and model.style.causal
