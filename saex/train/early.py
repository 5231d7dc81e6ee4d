"""Early stop: a member ends when a logged metric no longer falls."""
import dataclasses
from typing import Mapping

from saex import config


def build(section: Mapping | None, where: str = 'stop') -> 'Stop | None':
    """The rule of a config section, None without one. Raises ConfigError."""
    if section is None:
        return None
    return config.build('saex.train.early', {**section, 'name': 'stop'}, where=where)


@dataclasses.dataclass(frozen=True)
class Stop:
    """Ends a member when `metric` was not below (1 - least) times its best for `patience`
    logged lines in a row. A pure function of the lines, so that a run which goes on ends at
    the same step. Raises KeyError at the first line when no such metric is logged.
    """
    metric: str = 'metrics/fvu'
    patience: int = 10
    least: float = 0.001

    def problems(self):
        found = []
        if self.patience < 1:
            found.append(f'patience: expected 1 or more lines, got {self.patience}')
        if not 0 <= self.least < 1:
            found.append(f'least: expected a share in [0, 1), got {self.least}')
        return found

    def now(self, lines: list[dict]) -> bool:
        """Whether to end after these lines of metrics.jsonl; null values never are best."""
        best, since = float('inf'), 0
        for line in lines:
            value = line[self.metric]
            if value is not None and value < (1 - self.least) * best:
                best, since = value, 0
            else:
                since += 1
        return since >= self.patience
