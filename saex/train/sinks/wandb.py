"""Scalars for Weights & Biases."""
import dataclasses
import importlib.util
import pathlib


@dataclasses.dataclass(frozen=True)
class Wandb:
    """A run of `project`. Its id is kept in the run's folder, so that a resumed run goes on
    in the same one. mode: 'online', 'offline' or 'disabled'. Needs saex[wandb]."""
    project: str = 'saex'
    mode: str = 'online'

    def problems(self):
        found = []
        if importlib.util.find_spec('wandb') is None:
            found.append("needs wandb; pip install 'saex[wandb]'")
        if self.mode not in ('online', 'offline', 'disabled'):
            found.append("mode: expected 'online', 'offline' or 'disabled', got "
                         f'{self.mode!r}')
        return found

    def open(self, directory: pathlib.Path, run: str):
        """An object with `write(step, metrics)` and `close()`."""
        return _Run(self, pathlib.Path(directory), run)


class _Run:
    def __init__(self, sink, directory, run):
        import wandb

        kept = directory / 'wandb_id'
        if not kept.is_file():
            directory.mkdir(parents=True, exist_ok=True)
            kept.write_text(wandb.util.generate_id(), encoding='utf-8')
        self._run = wandb.init(project=sink.project, name=run, resume='allow',
                               id=kept.read_text(encoding='utf-8'), mode=sink.mode,
                               dir=str(directory))

    def write(self, step, metrics):
        self._run.log(metrics, step=step)

    def close(self):
        self._run.finish()
