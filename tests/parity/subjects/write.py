"""Writes random models and what transformers makes of them: python write.py FOLDER
[SIZE [NAME...]].

SIZE is small, or golden: the files in tests/subjects/golden, which the tests compare with.
"""
import pathlib
import sys

import numpy as np
import torch

sys.modules['torchvision'] = None      # not needed, and often built for another torch
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import decoders  # noqa: E402
import encoders  # noqa: E402

MODULES = (decoders, encoders)


def main(folder, size, *only):
    torch.use_deterministic_algorithms(True)
    for module in MODULES:
        for name in [n for n in module.cases(size) if not only or n in only]:
            made = module.model(name, size)
            made.save_pretrained(folder / name)
            (folder / name / 'generation_config.json').unlink(missing_ok=True)
            found = {k: v.numpy() for k, v in module.reference(made, name, size).items()}
            np.savez_compressed(folder / name / 'reference.npz', **found)


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]), *(sys.argv[2:] or ['small']))
