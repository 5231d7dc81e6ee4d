"""Writes ../golden/*.npz, or to FOLDER: what the peers' published code computes.

    PYTHON tests/parity/dictionaries/peers/write.py [FOLDER [PEER ...]]

PYTHON has torch (CPU), sae-lens, dictionary-learning, overcomplete and eai-sparsify; saex is
not needed. Every peer gets the same weights and ten batches, by numpy from a seed. A file
holds the codes, reconstruction, loss and gradients on the first batch, and the parameters
after ten steps of the peer's own trainer (or of torch's Adam around the peer's own loss and
projections, where its trainer wants a language model). Orientation and names are saex's.
"""
import importlib
import pathlib
import sys

sys.modules['torchvision'] = None      # not used; a mismatched one breaks transformers
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import record  # noqa: E402

PEERS = ('dictionary_learning', 'sparsify', 'saelens', 'overcomplete')

if __name__ == '__main__':
    if sys.argv[1:]:
        record.FOLDER = pathlib.Path(sys.argv[1])
    record.FOLDER.mkdir(parents=True, exist_ok=True)
    for peer in sys.argv[2:] or PEERS:
        importlib.import_module(f'with_{peer}').write()
