"""Tiny random-weight encoders of transformers, written by save_pretrained, with padding."""
import torch
import transformers as hf

SIZES = {'small': dict(vocab=61, width=32, layers=4, heads=4, hidden=48, length=12, image=24),
         'golden': dict(vocab=13, width=8, layers=2, heads=2, hidden=12, length=8, image=8)}
EOS, HIDDEN = 12, 3          # ids of the last token of a text and of a hidden one


def cases(size):
    """name -> (class, config, pixels: side of the images, 0 for text)."""
    z = SIZES[size]
    common = dict(hidden_size=z['width'], num_hidden_layers=z['layers'],
                  num_attention_heads=z['heads'], intermediate_size=z['hidden'])
    text = common | dict(vocab_size=z['vocab'], max_position_embeddings=32, pad_token_id=0,
                         bos_token_id=1)
    image = common | dict(image_size=z['image'], patch_size=4)
    dino = {k: v for k, v in image.items() if k != 'intermediate_size'} | dict(mlp_ratio=2)
    esm = text | dict(position_embedding_type='rotary', token_dropout=True,
                      mask_token_id=HIDDEN)
    clip_text, clip_image = text | dict(eos_token_id=EOS), image
    both = hf.CLIPConfig(text_config=clip_text, vision_config=clip_image, projection_dim=6)
    two = hf.SiglipConfig(text_config=text | dict(eos_token_id=EOS, projection_size=6),
                          vision_config=image)
    side = z['image']
    return {
        'bert': (hf.BertForMaskedLM, hf.BertConfig(**text), 0),
        'bert_plain': (hf.BertModel, hf.BertConfig(**text), 0),
        'esm': (hf.EsmForMaskedLM, hf.EsmConfig(**esm), 0),
        'vit': (hf.ViTForImageClassification, hf.ViTConfig(**image, num_labels=5), side),
        'dinov2': (hf.Dinov2Model, hf.Dinov2Config(**dino), side + 12),
        'clip_vision_model': (hf.CLIPModel, both, side),
        'clip_text_model': (hf.CLIPModel, both, 0),
        'clip_text_model_old': (hf.CLIPTextModel,
                                hf.CLIPTextConfig(**text | dict(eos_token_id=2)), 0),
        'siglip_vision_model': (hf.SiglipModel, two, side),
        'siglip_text_model': (hf.SiglipModel, two, 0),
    }


def model(name, size):
    """A model with every parameter perturbed, so that no norm or bias is trivial."""
    make, config, _ = cases(size)[name]
    torch.manual_seed(sum(map(ord, name)))
    config._attn_implementation = 'eager'
    made = make._from_config(config, attn_implementation='eager').eval()
    with torch.no_grad():
        for p in made.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return made


def reference(made, name, size):
    """Inputs, every hidden state and the result, texts with left and right padding."""
    z = SIZES[size]
    pixels = cases(size)[name][2]
    generator = torch.Generator().manual_seed(0)
    tower = getattr(made, 'vision_model' if pixels else 'text_model', made)
    if pixels:
        shape = (2, 3, pixels, pixels + (4 if name == 'dinov2' else 0))
        images = torch.randn(shape, generator=generator)
        with torch.no_grad():
            out = tower(images, output_hidden_states=True)
        return _held(made, name, out) | dict(images=images.permute(0, 2, 3, 1))
    tokens = torch.randint(4, EOS, (3, z['length']), generator=generator)
    tokens[0, 2:4] = HIDDEN
    tokens[:, -3] = EOS
    mask = torch.ones_like(tokens)
    mask[1, :3], mask[2, -2:] = 0, 0
    fields = dict(input_ids=tokens, attention_mask=mask, output_hidden_states=True)
    if 'esm' not in name:
        fields['position_ids'] = (mask.cumsum(1) - 1).clamp(min=0)
    if 'bert' in name:
        fields['token_type_ids'] = (torch.arange(z['length']) > 4).long().expand(3, -1)
    with torch.no_grad():
        out = tower(**fields)
    held = _held(made, name, out) | dict(tokens=tokens, mask=mask)
    if 'bert' in name:
        held['segments'] = fields['token_type_ids']
    return held


def _held(made, name, out):
    """Hidden states, the normed last one where there is one, and the result."""
    held = dict(hidden=torch.stack(out.hidden_states))
    if hasattr(out, 'logits'):
        return held | dict(result=out.logits)
    projection = {'clip_vision_model': 'visual_projection',
                  'clip_text_model': 'text_projection'}.get(name)
    with torch.no_grad():
        if projection:
            return held | dict(result=getattr(made, projection)(out.pooler_output))
    pooled = name.startswith(('clip', 'siglip'))
    return held | dict(result=out.pooler_output if pooled else out.last_hidden_state)
