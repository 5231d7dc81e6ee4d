"""Weights in a local directory of the Hugging Face layout, read one tensor at a time."""
import json
import pathlib
from typing import Any, Mapping

import numpy as np

from saex.config import ConfigError

__all__ = []       # not itself a subject

INDEX = 'model.safetensors.index.json'
PATTERNS = ['config.json', 'model*.safetensors', INDEX, 'tokenizer*.json',
            'special_tokens_map.json']


def directory(source: str | pathlib.Path, revision: str | None = None) -> pathlib.Path:
    """`source` when it is a directory, else the Hub's repository of that name, downloaded.

    Raises ConfigError in one line when there is neither.
    """
    path = pathlib.Path(source).expanduser()
    if path.is_dir():
        return path
    if path.exists() or str(source).startswith(('/', '.', '~')):
        raise ConfigError(f'{source}: expected a directory with config.json and safetensors')
    try:
        import huggingface_hub
    except ImportError as e:
        raise ConfigError(f'{source}: not a directory here; to read it from the Hub, '
                          f'pip install saex[text]') from e
    from huggingface_hub import errors
    try:
        return pathlib.Path(huggingface_hub.snapshot_download(
            str(source), revision=revision, allow_patterns=PATTERNS))
    except (errors.HTTPError, OSError, ValueError) as e:
        raise ConfigError(f'{source}: not a directory here, and {_reason(source, e)}') from e


def _reason(source: Any, e: Exception) -> str:
    """What the Hub's error means and what to do, in one line."""
    from huggingface_hub import errors
    if isinstance(e, errors.GatedRepoError):
        return (f'gated on the Hub: accept its terms at https://huggingface.co/{source}, then '
                f'run hf auth login')
    if isinstance(e, errors.RepositoryNotFoundError):
        return 'the Hub has no such repository; for a private one run hf auth login'
    if isinstance(e, errors.RevisionNotFoundError):
        return 'the Hub has no such revision of it'
    first = (str(e).strip() or type(e).__name__).splitlines()[0]
    if isinstance(e, ValueError):
        return f'not the name of a repository ({first})'
    return (f'the Hub cannot be reached ({first}); give a local directory, or try again: a '
            f'download goes on where it stopped')


def read_config(path: pathlib.Path) -> dict:
    """config.json. Raises ConfigError when it is missing or not an object."""
    file = path / 'config.json'
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError) as e:
        raise ConfigError(f'{file}: cannot be read as JSON ({e})') from e
    if not isinstance(found, dict) or 'model_type' not in found:
        raise ConfigError(f'{file}: expected an object with model_type')
    return found


class Tensors(Mapping):
    """name -> numpy array of every safetensors file of a directory, read when asked for.

    Raises ConfigError, naming the file, for missing shards and files that do not verify.
    """

    def __init__(self, path: pathlib.Path):
        self._home: dict[str, Any] = {}
        files = _shards(path)
        for file in files:
            opened = _open(file)
            for name in opened.keys():
                if name in self._home:
                    raise ConfigError(f'{file}: {name!r} is in another file too')
                self._home[name] = (opened, file)
        if not self._home:
            raise ConfigError(f'{path}: no safetensors file holds a tensor')

    def __getitem__(self, name: str) -> np.ndarray:
        import ml_dtypes  # noqa: F401  numpy learns bfloat16 from it
        from safetensors import SafetensorError
        opened, file = self._home[name]
        try:
            return opened.get_tensor(name)
        except (SafetensorError, OSError, TypeError) as e:
            raise ConfigError(f'{file}: cannot read {name!r} ({e})') from e

    def __iter__(self):
        return iter(self._home)

    def __len__(self):
        return len(self._home)


def _shards(path: pathlib.Path) -> list[pathlib.Path]:
    index = path / INDEX
    if not index.exists():
        found = sorted(path.glob('*.safetensors'))
        if not found:
            raise ConfigError(f'{path}: no *.safetensors; other formats run code when read')
        return [path / 'model.safetensors'] if (path / 'model.safetensors') in found else found
    try:
        names = sorted(set(json.loads(index.read_text())['weight_map'].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise ConfigError(f'{index}: expected an object with weight_map') from e
    outside = [n for n in names if pathlib.PurePath(n).name != n]
    missing = [n for n in names if n not in outside and not (path / n).is_file()]
    if outside or missing:
        raise ConfigError([f'{index}: names a file outside its folder: {n!r}' for n in outside]
                          + [f'{index}: {n!r} is missing' for n in missing])
    return [path / n for n in names]


def _open(file: pathlib.Path):
    from safetensors import SafetensorError, safe_open
    try:
        return safe_open(file, framework='numpy')
    except (SafetensorError, OSError) as e:
        raise ConfigError(f'{file}: not a safetensors file ({e})') from e
