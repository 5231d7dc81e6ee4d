"""Properties of tokens in running text that need no labels: of the token, and of what
stands before it."""
import functools

import numpy as np

LETTERS = 'stcpar'
LEXICAL = ('starts with a space', 'has a digit', 'has a capital', 'is punctuation',
           'has a newline', 'goes on a word') + tuple(f'letter {c}' for c in LETTERS)
CONTEXT = ('previous has a digit', 'previous has a capital', 'previous is punctuation',
           'in double quotes', 'in brackets', 'late in a line', 'in an indented line',
           'in a doctest', 'after an underscore', 'late in a document')
NAMES = LEXICAL + CONTEXT


@functools.lru_cache(maxsize=4)
def lexical(names: tuple[str, ...]) -> np.ndarray:
    """[V, len(LEXICAL)] bool, from the text of each token."""
    def row(text):
        word = text.strip()
        first = word[:1].lower()
        return [text.startswith(' ') and bool(word), any(c.isdigit() for c in text),
                any(c.isupper() for c in text),
                bool(word) and not any(c.isalnum() for c in word), '\n' in text,
                text[:1].isalpha()] + [first == c for c in LETTERS]

    return np.array([row(text) for text in names], bool).reshape(len(names), len(LEXICAL))


@functools.lru_cache(maxsize=4)
def _marks(names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Column -> [V]: what a token's text does to the state of its line and row."""
    tails = [text.rsplit('\n', 1)[-1] for text in names]
    columns = {
        'newline': ['\n' in text for text in names],
        'quotes': [text.count('"') for text in names],
        'opened': [sum(map(text.count, '([{')) - sum(map(text.count, ')]}'))
                   for text in names],
        'lead': [len(tail) - len(tail.lstrip(' ')) for tail in tails],
        'blank': [not tail.strip(' ') for tail in tails],
        'doctest': [tail.lstrip(' ').startswith('>>>') for tail in tails],
        'underscore': [text.endswith('_') for text in names]}
    return {name: np.array(column) for name, column in columns.items()}


def context(names: tuple[str, ...], tokens: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """[n, T, len(CONTEXT)] bool for rows of tokens [n, T], reading each from its left.

    Quotes and brackets are counted from the start of the row or, where offset [n, T] goes
    back, of a new document. late: 16 tokens into a line, 128 into a document.
    """
    table = lexical(names)[:, 1:4]
    marks = {name: column[tokens] for name, column in _marks(names).items()}
    zero = np.zeros(len(tokens), int)
    fresh = np.ones(len(tokens), bool)
    line, lead, quotes, depth = zero, zero, zero, zero
    blank, doctest = fresh, ~fresh
    found = np.zeros(tokens.shape + (len(CONTEXT),), bool)
    for j in range(tokens.shape[1]):
        now = {name: column[:, j] for name, column in marks.items()}
        begins = fresh if j == 0 else offset[:, j] < offset[:, j - 1]
        quotes = np.where(begins, 0, quotes) + now['quotes']
        depth = np.maximum(np.where(begins, 0, depth) + now['opened'], 0)
        new = begins | now['newline']
        line = np.where(new, 0, line + 1)
        lead = np.where(new, now['lead'], lead + blank * now['lead'])
        doctest = np.where(new, now['doctest'], doctest | (blank & now['doctest']))
        blank = np.where(new, now['blank'], blank & now['blank'])
        if j:
            before = np.where(begins[:, None], False, table[tokens[:, j - 1]])
            found[:, j, :3] = before
            found[:, j, 8] = ~begins & marks['underscore'][:, j - 1]
        found[:, j, 3:8] = np.stack(
            [quotes % 2 == 1, depth > 0, line >= 16, lead >= 2, doctest], axis=1)
        found[:, j, 9] = offset[:, j] >= 128
    return found
