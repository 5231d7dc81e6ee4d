"""Scalars for TensorBoard."""
import dataclasses
import importlib.util
import pathlib


@dataclasses.dataclass(frozen=True)
class Tensorboard:
    """Event files in the run's folder, `tensorboard/`. Needs saex[tensorboard]."""

    def problems(self):
        if importlib.util.find_spec('tensorboardX') is None:
            return ["needs tensorboardX; pip install 'saex[tensorboard]'"]
        return []

    def open(self, directory: pathlib.Path, run: str):
        """An object with `write(step, metrics)` and `close()`."""
        return _Writer(directory)


class _Writer:
    def __init__(self, directory):
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(pathlib.Path(directory) / 'tensorboard'))

    def write(self, step, metrics):
        for key, value in metrics.items():
            self._writer.add_scalar(key, value, step)

    def close(self):
        self._writer.close()
