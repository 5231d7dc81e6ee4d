"""README.md of a release: what was trained on what, how good it is, how to open it.

Every number comes from the evaluation's results; what is not known is left out.
"""
import json
from typing import Mapping, Sequence

COLUMNS = {'l0': 'L0', 'fvu': 'FVU', 'explained_variance': 'explained variance',
           'loss_recovered': 'loss recovered', 'kl_score': 'KL score',
           'dead_fraction': 'dead', 'state_coverage': 'state coverage'}
ABOUT = {'model': 'Model', 'dataset': 'Data', 'tokenizer': 'Tokenizer',
         'licence': 'Licence'}


def text(rows: Sequence[Mapping], about: Mapping) -> str:
    """The card of the dictionaries in rows (release.py's index).

    about: title, model, dataset, tokenizer, licence, repo, commands (lines of shell),
    figures (paths), all optional.
    """
    title = _cell(about.get('title') or rows[0]['name'])
    sites = sorted({r['hook_name'] for r in rows if r['hook_name']})
    facts = [f'- {label}: {_cell(about[key])}' for key, label in ABOUT.items()
             if about.get(key)]
    facts += [f'- {"Sites" if len(sites) > 1 else "Site"}: {", ".join(map(_cell, sites))}'
              ] if sites else []
    parts = [_front(rows, about), f'# {title}\n',
             f'{len(rows)} sparse dictionar{"y" if len(rows) == 1 else "ies"} trained with '
             'saex, in the folder layout of SAELens.\n',
             '\n'.join(facts) + '\n' if facts else '', '## Results\n', _table(rows),
             *(f'![{_cell(path)}]({path})\n' for path in about.get('figures', ())),
             '## Use\n', _use(rows, about)]
    if about.get('commands'):
        commands = '\n'.join(map(str, about['commands'])).replace('```', '')
        parts.append(f'## Reproduce\n\n```sh\n{commands}\n```\n')
    return '\n'.join(p for p in parts if p)


def _front(rows, about) -> str:
    """YAML of the Hub; JSON strings are YAML."""
    lines = ['---', 'library_name: saex',
             'tags: [sparse-autoencoder, interpretability, saelens, saex]']
    models = sorted({r['model_name'] for r in rows if r['model_name']})
    if models:
        lines.append(f'base_model: {json.dumps(models)}')
    if about.get('licence'):
        lines.append(f'license: {json.dumps(str(about["licence"]))}')
    return '\n'.join([*lines, '---\n'])


def _table(rows) -> str:
    shown = [k for k in COLUMNS if any(r['metrics'].get(k) is not None for r in rows)]
    head = ['dictionary', 'architecture', 'inputs', 'latents', *(COLUMNS[k] for k in shown)]
    lines = [head, ['---'] * len(head)]
    for r in rows:
        path = r['name'] if r['path'] == '.' else r['path']
        values = [r['metrics'].get(k) for k in shown]
        lines.append([path, r['architecture'], r['d_in'], r['d_sae'],
                      *('' if v is None else f'{v:.4g}' for v in values)])
    return '\n'.join('| ' + ' | '.join(map(_cell, line)) + ' |' for line in lines) + '\n'


def _use(rows, about) -> str:
    repo, path = about.get('repo', 'PATH_OR_REPO'), rows[0]['path']
    item = '' if path == '.' else f', {json.dumps(path)}'
    text_ = ('```python\nimport saex\n\n'
             f'sae = saex.load({json.dumps(repo)}{item})\n'
             'codes = sae.encode(x)          # raw activations x [rows, inputs]\n'
             'x_hat = sae.decode(codes, x)\n```\n')
    if all(r['architecture'] == 'saex' for r in rows):
        return text_
    folder = 'FOLDER' if path == '.' else f'FOLDER/{path}'
    return text_ + ('\nIn SAELens: `sae_lens.SAE.load_from_disk("' + folder
                    + '")`. Nothing is to '
                    'be scaled: the dictionaries read raw activations.\n')


def _cell(value) -> str:
    """Text that stays inside its cell and is no markup."""
    found = ' '.join(str(value).split())
    for mark in '\\`|<>[]':
        found = found.replace(mark, f'\\{mark}' if mark in '\\`|[]' else {
            '<': '&lt;', '>': '&gt;'}[mark])
    return found
