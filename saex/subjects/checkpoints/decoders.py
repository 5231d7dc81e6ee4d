"""The decoder families: what their configs say, and the names of their weights."""
from typing import Any, Mapping

from saex.config import ConfigError
from saex.subjects.checkpoints.family import Family
from saex.subjects.decoder import Decoder
from saex.subjects.layer import Style
from saex.subjects.rotary import Rotary

__all__ = []       # not itself a subject

ACTIVATIONS = {'gelu_new': 'gelu_tanh', 'gelu_pytorch_tanh': 'gelu_tanh',
               'gelu_fast': 'gelu_tanh', 'swish': 'silu'}


def activation(name: str) -> str:
    """Our name of an activation."""
    return ACTIVATIONS.get(name, name)


def refuse(config: Mapping, **only: Any) -> None:
    """Raises ConfigError where the config asks for what is not implemented."""
    problems = [f'{config["model_type"]}: {k}={config[k]!r} is not supported, only {v!r}'
                for k, v in only.items() if config.get(k, v) != v]
    if problems:
        raise ConfigError(problems)


def rotary(config: Mapping, kind: str | None = None, share: float = 1.0,
           theta: float = 10000.0) -> Rotary:
    """The rotary positions of a config, old (rope_theta, rope_scaling) or new
    (rope_parameters, one for each kind of layer where there are several)."""
    p = dict(config.get('rope_parameters') or {})
    p = dict(p.get(kind, p) or {})
    p = {**(config.get('rope_scaling') or {}), **p}
    theta = p.get('rope_theta', config.get('rope_theta', config.get('rotary_emb_base', theta)))
    share = p.get('partial_rotary_factor', config.get(
        'partial_rotary_factor', config.get('rotary_pct', share)))
    scaling = p.get('rope_type', p.get('type', 'default'))
    if scaling == 'default':
        return Rotary(theta, share)
    if scaling == 'linear':
        return Rotary(theta, share, p['factor'])
    if scaling == 'llama3':
        return Rotary(theta, share, p['factor'], (
            p['low_freq_factor'], p['high_freq_factor'],
            p['original_max_position_embeddings']))
    raise ConfigError(f'{config["model_type"]}: rotary scaling {scaling!r} is not supported, '
                      f'only default, linear, llama3')


def windows(config: Mapping, layers: int, sliding: Any) -> tuple[int, ...]:
    """One window a layer; sliding(i) says which layers have one in configs without
    layer_types."""
    width = config.get('sliding_window')
    if not width:
        return ()
    kinds = config.get('layer_types') or [
        'sliding_attention' if sliding(i) else 'full_attention' for i in range(layers)]
    found = tuple(width if kind == 'sliding_attention' else 0 for kind in kinds)
    return found if any(found) else ()


def _gpt2(c: Mapping) -> Decoder:
    refuse(c, scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False,
           add_cross_attention=False)
    style = Style(eps=c.get('layer_norm_epsilon', 1e-5), mlp_width=c.get('n_inner'),
                  activation=activation(c.get('activation_function', 'gelu_new')))
    return Decoder(c.get('vocab_size', 50257), c.get('n_positions', 1024),
                   c.get('n_layer', 12), c.get('n_embd', 768), c.get('n_head', 12),
                   style=style, tied=c.get('tie_word_embeddings', True), head_bias=False)


def _gpt_neox(c: Mapping) -> Decoder:
    bias = c.get('attention_bias', True)
    style = Style(eps=c.get('layer_norm_eps', 1e-5), mlp_width=c['intermediate_size'],
                  parallel=c.get('use_parallel_residual', True), qkv_bias=bias,
                  out_bias=bias, activation=activation(c.get('hidden_act', 'gelu')),
                  rotary=rotary(c, share=0.25))
    return _decoder(c, style)


def _decoder(c: Mapping, style: Style, tied: bool = False, **fields: Any) -> Decoder:
    return Decoder(c['vocab_size'], c.get('max_position_embeddings', 2048),
                   c['num_hidden_layers'], c['hidden_size'], c['num_attention_heads'],
                   style=style, learned_positions=False,
                   tied=c.get('tie_word_embeddings', tied), head_bias=False, **fields)


def _rms(c: Mapping, qkv_bias: bool = False, **style: Any) -> Style:
    """RMSNorm, gated MLP, rotary positions, grouped queries: Llama and what followed."""
    every = c.get('attention_bias', False)
    mlp = c.get('mlp_bias', False)
    style = {'norm': 'rms', 'rotary': rotary(c), **style}
    return Style(eps=c.get('rms_norm_eps', 1e-6), kv_heads=c.get('num_key_value_heads'),
                 head_dim=c.get('head_dim'), mlp_width=c['intermediate_size'], gated=True,
                 activation=activation(c.get('hidden_activation')
                                       or c.get('hidden_act', 'silu')),
                 qkv_bias=qkv_bias or every, out_bias=every, mlp_bias=mlp, **style)


def _llama(c: Mapping) -> Decoder:
    return _decoder(c, _rms(c))


def _mistral(c: Mapping) -> Decoder:
    c = {'sliding_window': 4096, 'max_position_embeddings': 131072, **c}
    return _decoder(c, _rms(c, windows=windows(c, c['num_hidden_layers'], lambda i: True)))


def _qwen_windows(c: Mapping) -> tuple[int, ...]:
    if not c.get('use_sliding_window', False):
        return ()
    return windows(c, c['num_hidden_layers'], lambda i: i >= c.get('max_window_layers', 28))


def _qwen2(c: Mapping) -> Decoder:
    style = _rms(c, qkv_bias=True, windows=_qwen_windows(c))
    return _decoder({'max_position_embeddings': 32768, **c}, style)


def _qwen3(c: Mapping) -> Decoder:
    style = _rms({'head_dim': 128, **c}, qk_norm=True, windows=_qwen_windows(c))
    return _decoder({'max_position_embeddings': 32768, **c}, style)


def _gemma(c: Mapping, **style: Any) -> Style:
    c = {'hidden_activation': 'gelu_pytorch_tanh', **c}
    return _rms(c, norm='gemma', place='both',
                attn_scale=c.get('query_pre_attn_scalar', 256) ** -0.5,
                softcap=c.get('attn_logit_softcapping'), **style)


def _gemma2(c: Mapping) -> Decoder:
    c = {'head_dim': 256, 'num_key_value_heads': 4, 'attn_logit_softcapping': 50.0,
         'sliding_window': 4096, 'max_position_embeddings': 8192, **c}
    style = _gemma(c, windows=windows(c, c['num_hidden_layers'], lambda i: i % 2 == 0))
    return _decoder(c, style, tied=True, embed_scale=c['hidden_size'] ** 0.5,
                    logit_softcap=c.get('final_logit_softcapping', 30.0))


def _gemma3(c: Mapping) -> Decoder:
    c = {**c, **c.get('text_config', {}), 'model_type': c['model_type']}
    refuse(c, use_bidirectional_attention=False)
    c = {'vocab_size': 262208, 'hidden_size': 2304, 'intermediate_size': 9216,
         'num_hidden_layers': 26, 'num_attention_heads': 8, 'num_key_value_heads': 4,
         'head_dim': 256, 'sliding_window': 4096, 'max_position_embeddings': 131072, **c}
    every = c.get('sliding_window_pattern', 6)
    local = {**c, 'rope_theta': c.get('rope_local_base_freq', 10000.0), 'rope_scaling': None}
    style = _gemma(c, qk_norm=True, rotary=rotary(c, 'full_attention', theta=1e6),
                   local_rotary=rotary(local, 'sliding_attention'),
                   windows=windows(c, c['num_hidden_layers'], lambda i: (i + 1) % every))
    return _decoder(c, style, tied=True, embed_scale=c['hidden_size'] ** 0.5,
                    logit_softcap=c.get('final_logit_softcapping'))


GPT2 = {
    'token/embedding': 'wte.weight', 'position/embedding': 'wpe.weight',
    'blocks/ln_attn/scale': 'h.{i}.ln_1.weight', 'blocks/ln_attn/bias': 'h.{i}.ln_1.bias',
    'blocks/ln_mlp/scale': 'h.{i}.ln_2.weight', 'blocks/ln_mlp/bias': 'h.{i}.ln_2.bias',
    'blocks/qkv/kernel': 'h.{i}.attn.c_attn.weight',
    'blocks/qkv/bias': 'h.{i}.attn.c_attn.bias',
    'blocks/attn_proj/kernel': 'h.{i}.attn.c_proj.weight',
    'blocks/attn_proj/bias': 'h.{i}.attn.c_proj.bias',
    'blocks/mlp_in/kernel': 'h.{i}.mlp.c_fc.weight',
    'blocks/mlp_in/bias': 'h.{i}.mlp.c_fc.bias',
    'blocks/mlp_proj/kernel': 'h.{i}.mlp.c_proj.weight',
    'blocks/mlp_proj/bias': 'h.{i}.mlp.c_proj.bias',
    'final_norm/scale': 'ln_f.weight', 'final_norm/bias': 'ln_f.bias',
    'head/kernel': 'lm_head.weight',
}

GPT_NEOX = {
    'token/embedding': 'embed_in.weight',
    'blocks/ln_attn/scale': 'layers.{i}.input_layernorm.weight',
    'blocks/ln_attn/bias': 'layers.{i}.input_layernorm.bias',
    'blocks/ln_mlp/scale': 'layers.{i}.post_attention_layernorm.weight',
    'blocks/ln_mlp/bias': 'layers.{i}.post_attention_layernorm.bias',
    'blocks/qkv/kernel': 'layers.{i}.attention.query_key_value.weight',
    'blocks/qkv/bias': 'layers.{i}.attention.query_key_value.bias',
    'blocks/attn_proj/kernel': 'layers.{i}.attention.dense.weight',
    'blocks/attn_proj/bias': 'layers.{i}.attention.dense.bias',
    'blocks/mlp_in/kernel': 'layers.{i}.mlp.dense_h_to_4h.weight',
    'blocks/mlp_in/bias': 'layers.{i}.mlp.dense_h_to_4h.bias',
    'blocks/mlp_proj/kernel': 'layers.{i}.mlp.dense_4h_to_h.weight',
    'blocks/mlp_proj/bias': 'layers.{i}.mlp.dense_4h_to_h.bias',
    'final_norm/scale': 'final_layer_norm.weight',
    'final_norm/bias': 'final_layer_norm.bias',
    'head/kernel': 'embed_out.weight|lm_head.weight',
}

ATTENTION = tuple(f'layers.{{i}}.self_attn.{name}_proj.%s' for name in 'qkv')
RMS = {
    'token/embedding': 'embed_tokens.weight',
    'blocks/ln_attn/scale': 'layers.{i}.input_layernorm.weight',
    'blocks/ln_mlp/scale': 'layers.{i}.post_attention_layernorm.weight',
    'blocks/qkv/kernel': tuple(n % 'weight' for n in ATTENTION),
    'blocks/qkv/bias': tuple(n % 'bias' for n in ATTENTION),
    'blocks/q_norm/scale': 'layers.{i}.self_attn.q_norm.weight',
    'blocks/k_norm/scale': 'layers.{i}.self_attn.k_norm.weight',
    'blocks/attn_proj/kernel': 'layers.{i}.self_attn.o_proj.weight',
    'blocks/attn_proj/bias': 'layers.{i}.self_attn.o_proj.bias',
    'blocks/mlp_gate/kernel': 'layers.{i}.mlp.gate_proj.weight',
    'blocks/mlp_gate/bias': 'layers.{i}.mlp.gate_proj.bias',
    'blocks/mlp_in/kernel': 'layers.{i}.mlp.up_proj.weight',
    'blocks/mlp_in/bias': 'layers.{i}.mlp.up_proj.bias',
    'blocks/mlp_proj/kernel': 'layers.{i}.mlp.down_proj.weight',
    'blocks/mlp_proj/bias': 'layers.{i}.mlp.down_proj.bias',
    'final_norm/scale': 'norm.weight', 'head/kernel': 'lm_head.weight',
}
GEMMA = RMS | {
    'blocks/ln_attn_out/scale': 'layers.{i}.post_attention_layernorm.weight',
    'blocks/ln_mlp/scale': 'layers.{i}.pre_feedforward_layernorm.weight',
    'blocks/ln_mlp_out/scale': 'layers.{i}.post_feedforward_layernorm.weight',
}

BUFFERS = (r'.*rotary_emb\.inv_freq',)
FAMILIES = {
    'gpt2': Family(_gpt2, GPT2, 'transformer.', (r'h\.\d+\.attn\.(masked_)?bias',),
                   linear=False),
    'gpt_neox': Family(_gpt_neox, GPT_NEOX, 'gpt_neox.',
                       (r'layers\.\d+\.attention\.(masked_)?bias', *BUFFERS),
                       packed='heads'),
    'llama': Family(_llama, RMS, 'model.', BUFFERS),
    'mistral': Family(_mistral, RMS, 'model.', BUFFERS),
    'qwen2': Family(_qwen2, RMS, 'model.', BUFFERS),
    'qwen3': Family(_qwen3, RMS, 'model.', BUFFERS),
    'gemma2': Family(_gemma2, GEMMA, 'model.', BUFFERS),
    'gemma3_text': Family(_gemma3, GEMMA, 'model.', BUFFERS),
    'gemma3': Family(_gemma3, GEMMA, 'language_model.model.|model.language_model.|model.', (
        *BUFFERS, r'vision_tower\..*', r'multi_modal_projector\..*')),
}
