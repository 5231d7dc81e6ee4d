"""Checkpoints over orbax, with a SHA-256 manifest beside each step.

orbax does not notice a flipped bit; the manifest does. A step counts only when every file
in it has the size and digest that were written down after the save was complete.
"""
import json
import pathlib
import shutil
from typing import Any, Callable

from flax import serialization

from saex import tree
from saex.train import files

MANIFEST = 'MANIFEST.json'


class CheckpointError(RuntimeError):
    """No checkpoint can be restored; the message lists each and why."""


class Checkpoints:
    """The checkpoints of one run, `directory/STEP/`.

    keep: how many of the newest steps stay. keep_every: steps that are a multiple of it
    stay for ever (0: none). say: called with one line when a bad step is passed over.
    """

    def __init__(self, directory: str | pathlib.Path, keep: int = 2, keep_every: int = 0,
                 say: Callable[[str], None] = print):
        self._root = pathlib.Path(directory).absolute()
        self._keep, self._keep_every, self._say = keep, keep_every, say

    def steps(self) -> list[int]:
        """Steps on disk whose save was completed, ascending."""
        if not self._root.is_dir():
            return []
        return sorted(int(p.name) for p in self._root.iterdir()
                      if p.name.isdigit() and (p / MANIFEST).is_file())

    def save(self, step: int, state: Any, meta: dict) -> None:
        """Writes the state (a pytree of arrays) and meta (JSON) of a step."""
        import orbax.checkpoint as ocp

        final = self._root / str(step)
        building = self._root / f'{step}.building'
        for stale in (building, final):
            if stale.exists():
                shutil.rmtree(stale)
        building.mkdir(parents=True)
        with ocp.PyTreeCheckpointer() as checkpointer:
            checkpointer.save(building / 'state', _plain(state))
        files.write_json(building / 'meta.json', meta)
        files.write_json(building / MANIFEST, _digests(building))
        building.rename(final)
        for old in self.steps()[:-self._keep]:
            if not self._keep_every or old % self._keep_every:
                shutil.rmtree(self._root / str(old))

    def restore(self, target: Any) -> tuple[Any, dict] | None:
        """(state, meta) of the newest step that verifies, shaped and sharded like target;
        None when there is no checkpoint at all. A bad step is named and passed over, and
        stays on disk. Raises CheckpointError when every step is bad."""
        complaints = []
        for step in reversed(self.steps()):
            where = self._root / str(step)
            reason = self._verify(where)
            if reason is None:
                meta = json.loads((where / 'meta.json').read_text())
                return self._load(where, target), meta
            complaints.append(f'{where}: {reason}')
            self._say(f'checkpoint {where} is passed over: {reason}')
        if complaints:
            raise CheckpointError('no checkpoint can be restored: ' + '; '.join(complaints) +
                                  '; use --fresh to start over')
        return None

    def _verify(self, where: pathlib.Path) -> str | None:
        try:
            wanted = json.loads((where / MANIFEST).read_text())
        except (OSError, ValueError) as e:
            return f'unreadable manifest ({e})'
        found = _digests(where)
        for name, entry in wanted.items():
            if name not in found:
                return f'{name} is missing'
            if found[name] != entry:
                return f'{name} was changed after it was saved'
        return None

    def _load(self, where: pathlib.Path, target: Any) -> Any:
        import orbax.checkpoint as ocp

        plain = _plain(target)
        with ocp.PyTreeCheckpointer() as checkpointer:
            held = tree.flatten(checkpointer.metadata(where / 'state').item_metadata.tree)
            wanted = tree.flatten(plain)
            wrong = [f'{k}: {tuple(held[k].shape) if k in held else "absent"} on disk, '
                     f'{tuple(wanted[k].shape) if k in wanted else "absent"} in the config'
                     for k in sorted({*held, *wanted})
                     if k not in held or k not in wanted
                     or tuple(held[k].shape) != tuple(wanted[k].shape)]
            if wrong:
                raise CheckpointError(f'checkpoint {where} has another shape: ' +
                                      '; '.join(wrong[:8]))
            args = ocp.checkpoint_utils.construct_restore_args(plain)
            restored = checkpointer.restore(where / 'state', item=plain, restore_args=args)
        full = _refill(serialization.to_state_dict(target), restored)
        return serialization.from_state_dict(target, full)


def _plain(state: Any) -> Any:
    """Nested dicts of arrays, without the empty ones that a file cannot hold."""
    def prune(node):
        if not isinstance(node, dict):
            return node
        kept = {k: prune(v) for k, v in node.items()}
        return {k: v for k, v in kept.items() if not (isinstance(v, dict) and not v)}

    return prune(serialization.to_state_dict(state))


def _refill(shape: Any, restored: Any) -> Any:
    """The restored leaves in the full structure, empty dicts included."""
    if not isinstance(shape, dict):
        return restored
    return {k: _refill(v, restored.get(k, {})) for k, v in shape.items()}


def _digests(root: pathlib.Path) -> dict:
    return {str(p.relative_to(root)): [p.stat().st_size, files.sha256(p)]
            for p in sorted(root.rglob('*')) if p.is_file() and p.name != MANIFEST}
