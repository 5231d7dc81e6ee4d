"""Config sections become a dictionary and its initialiser."""
from typing import Callable, Mapping

import jax

from saex import config
from saex.dictionary.model import Dictionary

PARTS = {'transform': 'identity', 'encoder': 'linear', 'selector': 'relu',
         'decoder': 'linear'}
SLOTS = {'atoms': 'gaussian_rows', 'bias': 'zero', 'encoder': 'tied'}


def dictionary(section: Mapping, d_in: int, where: str = 'dictionary') -> Dictionary:
    """The dictionary of a config section.

    section: features, and optionally transform, encoder, selector, decoder (sections or
    names), dead_after, frequency_rate. Raises ConfigError with every problem.
    """
    section = dict(section)
    problems, parts = [], {}
    features = section.pop('features', None)
    if type(features) is not int or features < 1:
        problems.append(f'{where}.features: expected a positive int, got {features!r}')
        features = 2 ** 31
    shared = dict(d_in=d_in, d_out=d_in, features=features)
    for kind, default in PARTS.items():
        try:
            parts[kind] = config.build(f'saex.dictionary.{kind}s',
                                       section.pop(kind, default),
                                       where=f'{where}.{kind}', **shared)
        except config.ConfigError as e:
            problems += e.problems
    for key, low, high in (('dead_after', 1, 2 ** 31 - 1), ('frequency_rate', 0, 1)):
        if key in section and not low <= section[key] <= high:
            problems.append(f'{where}.{key}: expected {low} to {high}, got {section[key]!r}')
    known = {k: section.pop(k) for k in ('dead_after', 'frequency_rate') if k in section}
    valid = ['features', 'dead_after', 'frequency_rate', *PARTS]
    problems += [f'{where}.{k}: unknown; {config.suggest(k, valid)}' for k in section]
    if problems:
        raise config.ConfigError(problems)
    return Dictionary(d_in=d_in, features=features, **parts, **known)


def initialiser(section: Mapping, where: str = 'init') -> Callable:
    """`f(key, params, sample [N, D]) -> params` from a section with the slots atoms, bias
    and encoder (functions of init.py). Raises ConfigError with every problem."""
    section, fns, problems = dict(section), [], []
    for slot, default in SLOTS.items():
        try:
            fns.append(config.build('saex.dictionary.init', section.pop(slot, default),
                                    where=f'{where}.{slot}', positional=3))
        except config.ConfigError as e:
            problems += e.problems
    problems += [f'{where}.{k}: unknown; {config.suggest(k, SLOTS)}' for k in section]
    if problems:
        raise config.ConfigError(problems)

    def initialise(key, params, sample):
        for i, fn in enumerate(fns):
            params = fn(jax.random.fold_in(key, i), params, sample)
        return params

    return initialise
