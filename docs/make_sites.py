"""Writes docs/sites.md from the code: python docs/make_sites.py."""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
GOLDEN = ROOT / 'tests/subjects/golden'
HEAD = '''# Sites

Every place of a subject that can be captured and edited, made from the code by
`python docs/make_sites.py`. A layer's sites are named `blocks.3.resid_post`; the others stand
alone. `SITE:raw` captures the value before the edits at that site, `SITE` the one after them.

n rows, T tokens or patches, S keys (T, or the slots of a cache), D width, H query heads,
G key-value heads, h width of a head, M hidden units of the MLP, V vocabulary, P outputs of a
head; N is the family's own norm with its own scale.

transformers' `hidden_states[0]` is `embed` and `hidden_states[i + 1]` is `blocks.i.resid_post`;
its last one is `final_norm` in the decoders and ESM-2 (`make parity` compares them all). A
`mlp_in` -> `mlp_out` pair is a transcoder's. Gemma Scope's MLP site is `mlp_out`, after the
norm, its attention site `attn_z` with the heads side by side. A parallel residual has no
`resid_mid`: asking for it says so.

'''


def models():
    """family -> module, of the smallest configs there are."""
    from saex.subjects.checkpoints.load import families
    found = {}
    for name, family in families().items():
        config = json.loads((GOLDEN / name / 'config.json').read_text())
        found[name] = family.model(config)
    return found


def page():
    """The page as text."""
    from saex.subjects import sites
    return HEAD + sites.table(models())


if __name__ == '__main__':
    (ROOT / 'docs/sites.md').write_text(page())
