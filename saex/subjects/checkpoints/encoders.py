"""The encoder families: what their configs say, and the names of their weights."""
from typing import Any, Mapping

from saex.config import ConfigError
from saex.subjects.checkpoints.decoders import activation, refuse
from saex.subjects.checkpoints.family import Family
from saex.subjects.encoder import Encoder
from saex.subjects.layer import Style
from saex.subjects.rotary import Rotary

__all__ = []       # not itself a subject


def _encoder(c: Mapping, style: Mapping, **fields: Any) -> Encoder:
    style = {'causal': False, 'eps': c.get('layer_norm_eps', 1e-12),
             'mlp_width': c.get('intermediate_size', 3072),
             'activation': activation(c.get('hidden_act', 'gelu')), **style}
    sizes = {'layers': 12, 'width': 768, 'heads': 12}
    for ours, theirs in (('layers', 'num_hidden_layers'), ('width', 'hidden_size'),
                         ('heads', 'num_attention_heads')):
        sizes[ours] = c.get(theirs, sizes[ours])
    return Encoder(**sizes, style=Style(**style), **fields)


def _is(c: Mapping, *words: str) -> bool:
    """Whether the architecture's name ends in one of the words."""
    return any(a.endswith(words) for a in c.get('architectures') or ())


def _bert(c: Mapping) -> Encoder:
    refuse(c, position_embedding_type='absolute', is_decoder=False, tie_word_embeddings=True)
    return _encoder(c, dict(place='post'), vocab=c.get('vocab_size', 30522),
                    context=c.get('max_position_embeddings', 512),
                    segments=c.get('type_vocab_size', 2), embed_norm=True, final_norm=False,
                    head='tokens' if _is(c, 'MaskedLM', 'PreTraining') else '')


def _esm(c: Mapping) -> Encoder:
    refuse(c, position_embedding_type='rotary', is_folding_model=False, is_decoder=False,
           tie_word_embeddings=True)
    return _encoder(c, dict(rotary=Rotary(c.get('rope_theta', 10000.0))),
                    vocab=c['vocab_size'], learned_positions=False,
                    context=c.get('max_position_embeddings', 1026),
                    embed_norm=bool(c.get('emb_layer_norm_before')),
                    mask_token=c['mask_token_id'] if c.get('token_dropout') else None,
                    head='tokens' if _is(c, 'MaskedLM') else '')


def _patches(c: Mapping, style: Mapping, **fields: Any) -> Encoder:
    fields = {'patch': c.get('patch_size', 16), 'image': c.get('image_size', 224),
              'channels': c.get('num_channels', 3), **fields}
    odd = [f'{c["model_type"]}: {n}={v!r} is not supported, only a square'
           for n, v in fields.items() if n in ('patch', 'image') and not isinstance(v, int)]
    if odd:
        raise ConfigError(odd)
    return _encoder(c, style, **fields)


def _vit(c: Mapping) -> Encoder:
    classes = len(c.get('id2label') or ()) or c.get('num_labels', 2)
    head = dict(head='pooled', outputs=classes, pool='first') if _is(
        c, 'ImageClassification') else {}
    return _patches(c, dict(qkv_bias=c.get('qkv_bias', True)), cls=True, **head)


def _dinov2(c: Mapping) -> Encoder:
    refuse(c, use_swiglu_ffn=False, apply_layernorm=True)
    c = {'patch_size': 14, **c}
    style = dict(eps=c.get('layer_norm_eps', 1e-6), qkv_bias=c.get('qkv_bias', True),
                 layer_scale=True, mlp_width=None)
    return _patches(c, style, cls=True, mlp_ratio=int(c.get('mlp_ratio', 4)))


def _tower(kind: str, c: Mapping, projection: bool) -> tuple[dict, dict]:
    """The tower's own config from its own file or from that of both towers, and the
    fields of the head where there is a projection."""
    whole = f'{kind}_config' in c
    c = {**c, **(c.get(f'{kind}_config') or {}), 'architectures': c.get('architectures'),
         'projection_dim': c.get('projection_dim', 512)}
    if not projection or not (whole or _is(c, 'WithProjection')):
        return c, {}
    return c, dict(head='pooled', outputs=c['projection_dim'], head_bias=False)


def _clip(kind: str) -> Any:
    def model(c: Mapping) -> Encoder:
        c, head = _tower(kind, c, projection=True)
        c = {'hidden_act': 'quick_gelu', 'layer_norm_eps': 1e-5, **c}
        if kind == 'vision':
            c = {'intermediate_size': 3072, 'patch_size': 32, **c}
            return _patches(c, {}, cls=True, patch_bias=False, embed_norm=True, pool='first',
                            **head)
        c = {'hidden_size': 512, 'num_attention_heads': 8, 'intermediate_size': 2048, **c}
        return _encoder(c, dict(causal=True), vocab=c.get('vocab_size', 49408),
                        context=c.get('max_position_embeddings', 77), pool='eos',
                        eos=c.get('eos_token_id', 49407), **head)
    return model


def _siglip(kind: str) -> Any:
    def model(c: Mapping) -> Encoder:
        c, _ = _tower(kind, c, projection=False)
        c = {'hidden_act': 'gelu_pytorch_tanh', 'layer_norm_eps': 1e-6,
             'intermediate_size': 3072, **c}
        if kind == 'vision':
            return _patches(c, {}, pool='attention' if c.get('vision_use_head', True) else '')
        return _encoder(c, {}, vocab=c.get('vocab_size', 32000), pool='last', head='pooled',
                        context=c.get('max_position_embeddings', 64),
                        outputs=c.get('projection_size') or c.get('hidden_size', 768))
    return model


def _layers(prefix: str, **modules: str | tuple[str, ...]) -> dict[str, Any]:
    """Rows of the blocks, weight and bias of each module. 'a|b' in the prefix and in a name
    stand for those on disk and those in memory."""
    rows = {}
    for module, name in modules.items():
        kernel = 'scale' if module.startswith('ln') else 'kernel'
        for leaf, end in ((kernel, 'weight'), ('bias', 'bias')):
            found = tuple('|'.join(f'{p}{n}.{end}' for p, n in _pairs(prefix, one))
                          for one in ((name,) if isinstance(name, str) else name))
            rows[f'blocks/{module}/{leaf}'] = found[0] if isinstance(name, str) else found
    return rows


def _pairs(prefix: str, name: str):
    prefixes = prefix.split('|')
    return zip(prefixes, name.split('|') * len(prefixes))


def _old_norms(table: Mapping[str, Any]) -> dict[str, Any]:
    """The same table, whose norms may have TensorFlow's names on disk."""
    ends = {'LayerNorm.weight': 'LayerNorm.gamma', 'LayerNorm.bias': 'LayerNorm.beta'}
    return {path: next((f'{name}|{name.removesuffix(new)}{old}' for new, old in ends.items()
                        if isinstance(name, str) and name.endswith(new)), name)
            for path, name in table.items()}


def _self(*names: str) -> tuple[str, ...]:
    return tuple(f'attention.{n}' for n in names)


BERT = _old_norms({
    'token/embedding': 'embeddings.word_embeddings.weight',
    'position/embedding': 'embeddings.position_embeddings.weight',
    'segment/embedding': 'embeddings.token_type_embeddings.weight',
    'ln_embed/scale': 'embeddings.LayerNorm.weight',
    'ln_embed/bias': 'embeddings.LayerNorm.bias',
    **_layers('encoder.layer.{i}.',
              qkv=_self('self.query', 'self.key', 'self.value'),
              attn_proj='attention.output.dense', ln_attn='attention.output.LayerNorm',
              mlp_in='intermediate.dense', mlp_proj='output.dense',
              ln_mlp='output.LayerNorm'),
    'transform/kernel': 'cls.predictions.transform.dense.weight',
    'transform/bias': 'cls.predictions.transform.dense.bias',
    'ln_head/scale': 'cls.predictions.transform.LayerNorm.weight',
    'ln_head/bias': 'cls.predictions.transform.LayerNorm.bias',
    'readout_bias': 'cls.predictions.bias|cls.predictions.decoder.bias',
})

ESM = _old_norms({
    'token/embedding': 'embeddings.word_embeddings.weight',
    'ln_embed/scale': 'embeddings.layer_norm.weight',
    'ln_embed/bias': 'embeddings.layer_norm.bias',
    **_layers('encoder.layer.{i}.',
              qkv=_self('self.query', 'self.key', 'self.value'),
              attn_proj='attention.output.dense', ln_attn='attention.LayerNorm',
              mlp_in='intermediate.dense', mlp_proj='output.dense', ln_mlp='LayerNorm'),
    'ln_final/scale': 'encoder.emb_layer_norm_after.weight',
    'ln_final/bias': 'encoder.emb_layer_norm_after.bias',
    'transform/kernel': 'lm_head.dense.weight', 'transform/bias': 'lm_head.dense.bias',
    'ln_head/scale': 'lm_head.layer_norm.weight', 'ln_head/bias': 'lm_head.layer_norm.bias',
    'readout_bias': 'lm_head.bias|lm_head.decoder.bias',
})

PATCHES = {
    'patches/kernel': 'embeddings.patch_embeddings.projection.weight',
    'patches/bias': 'embeddings.patch_embeddings.projection.bias',
    'position/embedding': 'embeddings.position_embeddings',
    'cls_token': 'embeddings.cls_token',
    'ln_final/scale': 'layernorm.weight', 'ln_final/bias': 'layernorm.bias',
    'readout/kernel': 'classifier.weight', 'readout/bias': 'classifier.bias',
}
PATCH_QKV = tuple(f'attention.attention.{n}|attention.{n[0]}_proj'
                  for n in ('query', 'key', 'value'))
VIT = PATCHES | _layers(
    'encoder.layer.{i}.|layers.{i}.', qkv=PATCH_QKV,
    attn_proj='attention.output.dense|attention.o_proj', ln_attn='layernorm_before',
    ln_mlp='layernorm_after', mlp_in='intermediate.dense|mlp.fc1',
    mlp_proj='output.dense|mlp.fc2')
DINOV2 = PATCHES | _layers(
    'encoder.layer.{i}.|encoder.layer.{i}.', qkv=PATCH_QKV,
    attn_proj='attention.output.dense|attention.o_proj', ln_attn='norm1', ln_mlp='norm2',
    mlp_in='mlp.fc1', mlp_proj='mlp.fc2') | {
    'blocks/attn_gain': 'encoder.layer.{i}.layer_scale1.lambda1',
    'blocks/mlp_gain': 'encoder.layer.{i}.layer_scale2.lambda1',
}

TOWER = _layers('encoder.layers.{i}.',
                qkv=tuple(f'self_attn.{n}_proj' for n in 'qkv'), attn_proj='self_attn.out_proj',
                ln_attn='layer_norm1', ln_mlp='layer_norm2', mlp_in='mlp.fc1',
                mlp_proj='mlp.fc2')
TEXT = TOWER | {
    'token/embedding': 'embeddings.token_embedding.weight',
    'position/embedding': 'embeddings.position_embedding.weight',
    'ln_final/scale': 'final_layer_norm.weight', 'ln_final/bias': 'final_layer_norm.bias',
    'readout/kernel': 'text_projection.weight|head.weight', 'readout/bias': 'head.bias',
}
VISION = TOWER | {
    'patches/kernel': 'embeddings.patch_embedding.weight',
    'patches/bias': 'embeddings.patch_embedding.bias',
    'position/embedding': 'embeddings.position_embedding.weight',
    'cls_token': 'embeddings.class_embedding',
    'ln_embed/scale': 'pre_layrnorm.weight', 'ln_embed/bias': 'pre_layrnorm.bias',
    'ln_final/scale': 'post_layernorm.weight', 'ln_final/bias': 'post_layernorm.bias',
    'readout/kernel': 'visual_projection.weight',
    'pooling/probe': 'head.probe',
    'pooling/read/kernel': 'head.attention.in_proj_weight',
    'pooling/read/bias': 'head.attention.in_proj_bias',
    'pooling/proj/kernel': 'head.attention.out_proj.weight',
    'pooling/proj/bias': 'head.attention.out_proj.bias',
    'pooling/ln/scale': 'head.layernorm.weight', 'pooling/ln/bias': 'head.layernorm.bias',
    'pooling/mlp_in/kernel': 'head.mlp.fc1.weight',
    'pooling/mlp_in/bias': 'head.mlp.fc1.bias',
    'pooling/mlp_proj/kernel': 'head.mlp.fc2.weight',
    'pooling/mlp_proj/bias': 'head.mlp.fc2.bias',
}

IDS = r'embeddings\.position_ids'
BOTH = (IDS, 'logit_scale', 'logit_bias')
NO_TEXT = (*BOTH, r'text_model\..*', r'text_projection\..*')
NO_VISION = (*BOTH, r'vision_model\..*', r'visual_projection\..*')
POOLER = r'pooler\.dense\.(weight|bias)'
FAMILIES = {
    'bert': Family(_bert, BERT, 'bert.', (
        IDS, POOLER, r'cls\.seq_relationship\..*', r'cls\.predictions\.decoder\..*',
        r'cls\.predictions\.bias')),
    'esm': Family(_esm, ESM, 'esm.', (
        IDS, POOLER, r'contact_head\..*', r'embeddings\.position_embeddings\..*',
        r'lm_head\.decoder\..*', r'.*rotary_embeddings\.inv_freq')),
    'vit': Family(_vit, VIT, 'vit.', (POOLER,)),
    'dinov2': Family(_dinov2, DINOV2, 'dinov2.', (r'embeddings\.mask_token',)),
    'clip_vision_model': Family(_clip('vision'), VISION, 'vision_model.', NO_TEXT),
    'clip_text_model': Family(_clip('text'), TEXT, 'text_model.', NO_VISION),
    'siglip_vision_model': Family(_siglip('vision'), VISION, 'vision_model.', NO_TEXT),
    'siglip_text_model': Family(_siglip('text'), TEXT, 'text_model.', NO_VISION),
}
