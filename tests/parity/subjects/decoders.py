"""Tiny random-weight decoders of transformers, written by save_pretrained, with padding."""
import torch
from transformers import (AutoModelForCausalLM, AutoModelForImageTextToText,
                          CONFIG_MAPPING)

SIZES = {'small': dict(vocab=61, width=32, layers=4, heads=4, hidden=48, length=12),
         'golden': dict(vocab=13, width=8, layers=2, heads=2, hidden=12, length=8)}


def cases(size):
    """name -> (model_type, fields of the config)."""
    z = SIZES[size]
    common = dict(vocab_size=z['vocab'], hidden_size=z['width'],
                  num_hidden_layers=z['layers'], num_attention_heads=z['heads'],
                  intermediate_size=z['hidden'], max_position_embeddings=32,
                  pad_token_id=0, bos_token_id=1, eos_token_id=2)
    grouped = common | dict(num_key_value_heads=z['heads'] // 2)
    gemma = grouped | dict(head_dim=z['width'] // 2, sliding_window=5,
                           query_pre_attn_scalar=24)
    llama3 = dict(rope_type='llama3', rope_theta=500.0, factor=4.0, low_freq_factor=1.0,
                  high_freq_factor=4.0, original_max_position_embeddings=16)
    dual = dict(full_attention=dict(rope_type='linear', rope_theta=5000.0, factor=4.0),
                sliding_attention=dict(rope_type='default', rope_theta=100.0))
    kinds = ['sliding_attention', 'full_attention'] * (z['layers'] // 2)
    return {
        'gpt2': ('gpt2', dict(vocab_size=z['vocab'], n_embd=z['width'], n_head=z['heads'],
                              n_layer=z['layers'], n_positions=32, bos_token_id=1,
                              eos_token_id=2)),
        'gpt_neox': ('gpt_neox', common | dict(rotary_pct=0.5)),
        'gpt_neox_serial': ('gpt_neox', common | dict(use_parallel_residual=False)),
        'llama': ('llama', grouped),
        'llama3': ('llama', grouped | dict(rope_parameters=llama3, attention_bias=True,
                                           mlp_bias=True, tie_word_embeddings=True)),
        'mistral': ('mistral', grouped | dict(sliding_window=5)),
        'qwen2': ('qwen2', grouped),
        'qwen2_window': ('qwen2', grouped | dict(use_sliding_window=True, sliding_window=5,
                                                 max_window_layers=z['layers'] // 2)),
        'qwen3': ('qwen3', grouped | dict(head_dim=z['width'] // 2)),
        'gemma2': ('gemma2', gemma | dict(attn_logit_softcapping=5.0,
                                          final_logit_softcapping=3.0)),
        'gemma3_text': ('gemma3_text', gemma | dict(layer_types=kinds,
                                                    rope_parameters=dual)),
        'gemma3': ('gemma3', dict(         # the text tower of a model that also sees
            text_config=gemma | dict(layer_types=kinds, rope_parameters=dual),
            vision_config=dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1,
                               num_attention_heads=1, image_size=8, patch_size=4,
                               vision_use_head=False),
            mm_tokens_per_image=4, boi_token_index=10, eoi_token_index=11,
            image_token_index=12)),
    }


def model(name, size):
    """A model with every parameter perturbed, so that no norm or bias is trivial."""
    kind, fields = cases(size)[name]
    torch.manual_seed(sum(map(ord, name)))
    config = CONFIG_MAPPING[kind](**fields)
    config._attn_implementation = 'eager'
    auto = AutoModelForImageTextToText if name == 'gemma3' else AutoModelForCausalLM
    made = auto.from_config(config).eval()
    with torch.no_grad():
        for p in made.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return made


def reference(made, name, size):
    """Inputs, every hidden state and the result, with left and right padding."""
    generator = torch.Generator().manual_seed(0)
    z = SIZES[size]
    tokens = torch.randint(3, min(10, z['vocab']) if name == 'gemma3' else z['vocab'],
                           (3, z['length']), generator=generator)
    mask = torch.ones_like(tokens)
    mask[1, :3], mask[2, -2:] = 0, 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        out = made(tokens, attention_mask=mask, position_ids=positions,
                   output_hidden_states=True)
    return dict(tokens=tokens, mask=mask, hidden=torch.stack(out.hidden_states),
                result=out.logits)
