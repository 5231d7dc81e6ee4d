"""A planted dictionary whose rows come with labels, second views, gradients or a target."""
import dataclasses

import jax
import jax.numpy as jnp

from saex.data.sources import _atoms
from saex.data.sources.planted import Planted

KEYS = ('labels', 'pair', 'grad', 'complexity', 'y')


@dataclasses.dataclass(frozen=True)
class PlantedTasks(Planted):
    """Planted, and the `keys` that a method asks for:

        labels [B, C]  whether feature c N / C fires, for c < C = `classes` (frequent to rare)
        pair [B, D]    a row with the same codes, but for the labelled features, which fire
                       exactly where they did not (with size 1)
        grad [B, D]    g = Sum_c w_c v_c over the labelled features, w_c = +-1 and v_c their
                       directions: the gradient of a loss that only they move
        complexity [B] min(active features of the row / (2 L0), 1), L0 their mean number
        y [B, E]       a G with the codes a and other random unit directions G [N, E]: what a
                       transcoder is to find, E = `d_out`
    """
    keys: tuple = ('labels',)
    classes: int = 4
    d_out: int = 32

    def problems(self) -> list[str]:
        found = super().problems()
        if not self.keys or set(self.keys) - set(KEYS):
            found.append(f'keys: expected some of {", ".join(KEYS)}, got {self.keys!r}')
        if not 1 <= self.classes <= self.features:
            found.append(f'classes: expected 1 to {self.features}, got {self.classes}')
        return found

    @property
    def spec(self):
        made = super().spec | {'keys': tuple(k for k in self.keys if k != 'y')}
        return made | ({'d_out': self.d_out} if 'y' in self.keys else {})

    def labelled(self):
        """The features that carry labels, [C] int."""
        return jnp.arange(self.classes) * self.features // self.classes

    def target_dictionary(self):
        """G [N, E], unit rows."""
        key = jax.random.fold_in(jax.random.key(self.seed), 99)
        return _atoms.draw(key, 'random', self.features, self.d_out, 0)

    def rows(self, key: jax.Array, n: int) -> dict[str, jax.Array]:
        made = super().rows(key, n)
        codes, who = made['true_codes'], self.labelled()
        directions = self.dictionary()[who]
        fires = (codes[:, who] != 0).astype(jnp.float32)
        signs = jnp.where(jnp.arange(self.classes) % 2 == 0, 1.0, -1.0)
        extra = {
            'labels': lambda: fires,
            'pair': lambda: made['x'] + (1 - fires - codes[:, who]) @ directions,
            'grad': lambda: jnp.broadcast_to(signs @ directions, made['x'].shape),
            'complexity': lambda: jnp.minimum(
                (codes != 0).sum(-1) / (2 * self.probabilities.sum()), 1.0),
            'y': lambda: codes @ self.target_dictionary()}
        return made | {k: extra[k]() for k in self.keys}
