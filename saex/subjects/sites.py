"""What every site of a subject is: its shape, and where it lies relative to the norms.

Letters: n rows, T tokens or patches, S keys (T, or the slots of a cache), D width, H query
heads, G key-value heads, h width of a head, M hidden units of the MLP, V vocabulary, P
outputs of a head.
"""
from typing import Any, Mapping

__all__ = []       # not itself a subject

STREAM, HEADS, GROUPS = '[n, T, D]', '[n, T, H, h]', '[n, T, G, h]'


def describe(model: Any) -> dict[str, tuple[str, str]]:
    """Site (a layer's without its 'blocks.i.') -> (shape, where it lies), in the order in
    which they are computed."""
    held = {'embed': (STREAM, _embed(model)), **_layer(model.style)}
    ends = {'final_norm': (STREAM, 'N(resid_post of the last layer)'),
            'pooled': ('[n, D]', _pooled(model)), 'logits': _logits(model)}
    held |= {k: v for k, v in ends.items() if k in model.sites()}
    return held


def table(models: Mapping[str, Any]) -> str:
    """One row for each site and kind of place: site, shape, where, families (Markdown)."""
    rows: dict[tuple, list[str]] = {}
    order: dict[str, None] = {}
    for family, model in models.items():
        for site, (shape, where) in describe(model).items():
            order.setdefault(site)
            rows.setdefault((site, shape, where), []).append(family)
    lines = ['| site | shape | where it lies | families |', '|---|---|---|---|']
    for site in sorted(order, key=_rank):
        for (name, shape, where), families in rows.items():
            if name == site:
                who = 'all' if len(families) == len(models) else ', '.join(families)
                lines.append(f'| `{site}` | `{shape}` | {where} | {who} |')
    return '\n'.join(lines) + '\n'


RANK = ('embed', 'resid_pre', 'attn_in', 'attn_q', 'attn_k', 'attn_v', 'attn_pattern',
        'attn_z', 'attn_out_raw', 'attn_out', 'resid_mid', 'mlp_in', 'mlp_act',
        'mlp_out_raw', 'mlp_out', 'resid_post', 'final_norm', 'pooled', 'logits')


def _rank(site: str) -> int:
    return RANK.index(site)


def _embed(model) -> str:
    if getattr(model, 'patch', 0):
        parts = ['patches'] + ['class token'] * model.cls + ['positions']
    else:
        parts = ['tokens'] + ['positions'] * model.learned_positions
        parts += ['segments'] * bool(getattr(model, 'segments', 0))
    text = ' + '.join(parts)
    if getattr(model, 'embed_scale', 1.0) != 1.0:
        text = f'sqrt(D) {text}'
    if getattr(model, 'mask_token', None) is not None:
        text += ', scaled for hidden tokens, before padding is zeroed'
    return f'N({text})' if getattr(model, 'embed_norm', False) else text


def _layer(s) -> dict[str, tuple[str, str]]:
    post, both = s.place == 'post', s.place == 'both'
    turned = ' and '.join(['the norm of q and k'] * s.qk_norm + ['rotary'] * bool(s.rotary))
    before = f', before {turned}' if turned else ''
    gain = ' times the learned gain' if s.layer_scale else ''
    added = 'N(attn_out_raw)' if both else f'attention after its output matrix{gain}'
    made = 'N(mlp_out_raw)' if both else f'MLP after its output matrix{gain}'
    later = '; added before the norm' if post else '; what the stream receives'
    act = 'act(gate x) * (up x)' if s.gated else 'act(W x + b)'
    held = {
        'resid_pre': (STREAM, 'input of the layer: embed, or resid_post of the one before'),
        'attn_in': (STREAM, 'resid_pre itself' if post else 'N(resid_pre)'),
        'attn_q': (HEADS, f'queries{before}'), 'attn_k': (GROUPS, f'keys{before}'),
        'attn_v': (GROUPS, 'values'),
        'attn_pattern': ('[n, H, T, S]', 'after the softmax'),
        'attn_z': (HEADS, 'attn_pattern times values, before the output matrix'),
        'attn_out_raw': (STREAM, 'attention after its output matrix, before its norm'),
        'attn_out': (STREAM, added + later),
        'resid_mid': (STREAM, 'N(resid_pre + attn_out)' if post else 'resid_pre + attn_out'),
        'mlp_in': (STREAM, "N'(resid_pre)" if s.parallel else
                   'resid_mid itself' if post else 'N(resid_mid)'),
        'mlp_act': ('[n, T, M]', f'{act}, before the output matrix'),
        'mlp_out_raw': (STREAM, 'MLP after its output matrix, before its norm'),
        'mlp_out': (STREAM, made + later),
        'resid_post': (STREAM, 'resid_pre + attn_out + mlp_out' if s.parallel else
                       'N(resid_mid + mlp_out)' if post else 'resid_mid + mlp_out')}
    return {site: held[site] for site in s.streams()}


def _pooled(model) -> str:
    last = 'final_norm' if 'final_norm' in model.sites() else 'resid_post of the last layer'
    where = {'first': f'{last} at the first token', 'last': f'{last} at the last token',
             'eos': f'{last} at the first end-of-text token',
             'attention': f'p + mlp(N p), p = attention of a learned query over {last}'}
    return where.get(getattr(model, 'pool', ''), '')


def _logits(model) -> tuple[str, str]:
    head = getattr(model, 'head', None)
    if head == 'pooled':
        return '[n, P]', 'head of pooled'
    if head == 'tokens':
        return '[n, T, V]', 'tied head of N(act(W final)), final the last site before it'
    cap = ', after the soft cap' if getattr(model, 'logit_softcap', None) else ''
    return '[n, T, V]', f'head of final_norm{cap}'
