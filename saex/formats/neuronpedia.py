"""Features in the shape of Neuronpedia's exports, and back.

    features/batch-N.jsonl.gz       one feature a line: its histogram, logits, frequency
    activations/batch-N.jsonl.gz    one example a line: tokens and the value on each
    explanations/batch-N.jsonl.gz   one text a line, where a feature has one

Field names are Neuronpedia's own (*checked* against its published export and SAEDashboard).
Bar values and heights are parallel: n counts, and the n left edges of their bins.
"""
import dataclasses
import gzip
import json
import pathlib
from typing import Iterable, Sequence

import numpy as np

from saex.formats.errors import FormatError, require

BATCH = 1024
KINDS = ('features', 'activations', 'explanations')


@dataclasses.dataclass(frozen=True)
class Feature:
    """One latent. frequency: share of tokens on which it fires. counts, edges: histogram of
    its values where it fires (n and n left edges). examples: (tokens, values) by falling
    maximum. top, bottom: (token, logit) of the logit lens. text: an explanation, or ''."""
    index: int
    frequency: float
    maximum: float
    counts: Sequence[int]
    edges: Sequence[float]
    examples: Sequence[tuple[Sequence[str], Sequence[float]]]
    top: Sequence[tuple[str, float]] = ()
    bottom: Sequence[tuple[str, float]] = ()
    text: str = ''


def describe(index: int, codes: np.ndarray, tokens: Sequence[Sequence[str]], *,
             bins: int = 50,
             contexts: int = 20, width: int = 64) -> Feature:
    """A Feature from its codes [N, T] on N sequences of T tokens; each example is the
    `width` tokens around its maximum. A latent that never fires has no examples and no
    bins."""
    codes = np.asarray(codes, np.float64)
    fired = codes[codes > 0]
    counts, edges = np.zeros(0, int), np.zeros(1)
    if fired.size:
        counts, edges = np.histogram(fired, bins)
    peaks = codes.max(1) if codes.size else np.zeros(0)
    order = [i for i in np.argsort(-peaks, kind='stable')[:contexts] if peaks[i] > 0]
    examples = []
    for i in order:
        start = max(0, min(int(codes[i].argmax()) - width // 2, codes.shape[1] - width))
        examples.append((list(tokens[i][start:start + width]),
                         [float(v) for v in codes[i][start:start + width]]))
    return Feature(index, fired.size / max(codes.size, 1), float(fired.max(initial=0)),
                   counts.tolist(), edges[:-1].tolist(), examples)


def write(directory: str | pathlib.Path, features: Iterable[Feature], model: str, layer: str
          ) -> int:
    """Writes the three folders; returns the number of features. model, layer: Neuronpedia's
    ids ('gpt2-small', '9-res-jb'). Raises FormatError for a number that JSON cannot
    hold."""
    directory, held, count = pathlib.Path(directory), {k: [] for k in KINDS}, 0
    for kind in KINDS:
        (directory / kind).mkdir(parents=True, exist_ok=True)
    for feature in features:
        owner = {'modelId': model, 'layer': layer, 'index': str(feature.index)}
        held['features'].append(owner | _feature(feature))
        held['activations'] += [owner | _activation(*example)
                                for example in feature.examples]
        if feature.text:
            held['explanations'].append(owner | {'description': feature.text,
                                                 'typeName': 'saex'})
        count += 1
        if count % BATCH == 0:
            _flush(directory, held, count // BATCH - 1)
    if any(held.values()):
        _flush(directory, held, count // BATCH)
    return count


def read(directory: str | pathlib.Path) -> list[Feature]:
    """The features of an export, by index. Raises FormatError for lines that are not."""
    directory, found = pathlib.Path(directory), {}
    rows = {kind: _rows(directory / kind) for kind in KINDS}
    try:
        examples: dict[str, list] = {}
        for row in rows['activations']:
            examples.setdefault(row['index'], []).append((row['tokens'], row['values']))
        texts = {row['index']: row['description'] for row in rows['explanations']}
        for row in rows['features']:
            found[row['index']] = Feature(
                int(row['index']), row['frac_nonzero'], row['maxActApprox'],
                row['freq_hist_data_bar_heights'], row['freq_hist_data_bar_values'],
                sorted(examples.get(row['index'], []), key=lambda e: -max(e[1], default=0)),
                list(zip(row['pos_str'], row['pos_values'], strict=True)),
                list(zip(row['neg_str'], row['neg_values'], strict=True)),
                texts.get(row['index'], ''))
    except (KeyError, TypeError, ValueError) as e:
        raise FormatError(f'{directory}: not an export of features ({type(e).__name__}: '
                          f'{e})'
                          ) from e
    require(bool(found), f'{directory}: no features/batch-N.jsonl.gz with a feature in it')
    return sorted(found.values(), key=lambda f: f.index)


def _feature(f: Feature) -> dict:
    return {'maxActApprox': f.maximum, 'frac_nonzero': f.frequency,
            'freq_hist_data_bar_heights': list(f.counts),
            'freq_hist_data_bar_values': list(f.edges),
            'logits_hist_data_bar_heights': [], 'logits_hist_data_bar_values': [],
            'pos_str': [t for t, _ in f.top], 'pos_values': [v for _, v in f.top],
            'neg_str': [t for t, _ in f.bottom], 'neg_values': [v for _, v in f.bottom]}


def _activation(tokens, values) -> dict:
    top = int(np.argmax(values))
    return {'tokens': list(tokens), 'values': list(values), 'maxValue': values[top],
            'minValue': min(values), 'maxValueTokenIndex': top}


def _flush(directory: pathlib.Path, held: dict, batch: int) -> None:
    for kind, rows in held.items():
        try:
            lines = [json.dumps(row, allow_nan=False) + '\n' for row in rows]
        except ValueError as e:
            raise FormatError(f'{directory}/{kind}: a value that is not finite') from e
        if rows:
            raw = gzip.compress(''.join(lines).encode('utf-8', 'replace'), mtime=0)
            (directory / kind / f'batch-{batch}.jsonl.gz').write_bytes(raw)
        rows.clear()


def _rows(folder: pathlib.Path) -> list[dict]:
    rows = []
    for path in sorted(folder.glob('batch-*.jsonl.gz')):
        try:
            with gzip.open(path, 'rt', encoding='utf-8') as file:
                rows += [json.loads(line) for line in file if line.strip()]
        except (OSError, EOFError, ValueError) as e:
            raise FormatError(f'{path}: not gzipped JSON lines ({type(e).__name__})') from e
    return rows
