"""What latents on sentence embeddings respond to: a word, or sentences that are alike.

A latent detects the word w, by presence in the sentence, as well as the F1 of contexts.py,
w chosen on even sentences and F1 counted on odd ones. It is *coherent* as far as the six
sentences on which it is largest have words in common:

    c = mean over their pairs of cos(v_i, v_j),   v_iw = [w in sentence i] log(N / N_w)

with N_w of the N sentences holding w. Neither looks at the embeddings, so that dictionaries
on different networks can be compared. What is alike in meaning alone, c does not see.
"""
from typing import Any

import numpy as np
from scipy import sparse

from saex.evals import contexts
from saex.evals.contexts import BEST, FIRINGS, SHOWN, Found

__all__ = []       # not itself an evaluation


def describe(coder: Any, world: Any, rows: dict[str, np.ndarray]) -> Found:
    """scalars: word_f1 and coherence, means over the ten best latents of each, the rest
    counting 0 (for coherence of those whose F1 is below a half); text: the latents and their
    sentences.

    rows: x [N, D]; sequence [N]; sequences [n, T], their tokens."""
    codes, tokens = contexts.codes_of(coder, rows['x']), rows['sequences'][rows['sequence']]
    special = np.isin(tokens, world.tokens.special)
    at = np.nonzero(~special)
    words = sparse.csr_matrix((np.ones(len(at[0])), (at[0], tokens[at])),
                              (len(tokens), world.vocab)).astype(bool).astype(float)
    half = rows['sequence'] % 2 == 1
    fired = codes.astype(bool).astype(float)
    count = np.asarray(fired.sum(0)).ravel()
    best = contexts.best_column(fired, words, half)
    f1 = np.where(count >= 2 * FIRINGS, best.f1, 0.0)
    rarity = np.log(len(tokens) / np.maximum(np.asarray(words.sum(0)).ravel(), 1))
    weighted = words.multiply(rarity).tocsr()
    length = np.sqrt(np.asarray(weighted.multiply(weighted).sum(1)))
    unit = weighted.multiply(1 / np.maximum(length, 1e-9)).tocsr()
    judged = np.flatnonzero((count >= 2 * FIRINGS) & (f1 < 0.5))
    alike = np.zeros(len(f1))
    for latent in judged:
        top = unit[_top(codes, latent)].toarray()
        alike[latent] = ((top @ top.T).sum() - len(top)) / (len(top) * (len(top) - 1))
    scalars, lines = {'judged_latents': float((count >= 2 * FIRINGS).sum())}, []
    for name, score in (('word_f1', f1), ('coherence', alike)):
        order = np.argsort(-score, kind='stable')[:BEST]
        scalars[name] = float(score[order].sum() / BEST)
        lines.append(f'latents by {name}, best first\n')
        for latent in order[score[order] > 0]:
            word = world.token_names[best.choice[latent]]
            lines.append(f'  latent {latent}: {name} {score[latent]:.3f}, nearest word '
                         f'{word!r}, fires on {count[latent] / len(half):.2%} of sentences')
            for row in _top(codes, latent):
                kept = tokens[row][~special[row]]
                lines.append(f'    {codes[row, latent]:7.2f}  {world.tokens.text(kept)}')
            lines.append('')
    return Found(scalars, '\n'.join(lines) + '\n')


def _top(codes: sparse.csc_matrix, latent: int) -> np.ndarray:
    column = codes[:, latent]
    return column.indices[np.argsort(-column.data, kind='stable')][:SHOWN]
