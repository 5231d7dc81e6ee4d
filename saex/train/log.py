"""metrics.jsonl, and the progress bar."""
import json
import math
import pathlib
import sys
import time
from typing import Any, Callable, Mapping, Sequence

from saex import processes
from saex.train import files


class MetricsLog:
    """One strict JSON object a line: {"step": 10, "metrics/l0": 8.0, ...}.

    A non-finite value is written as null and named under "nonfinite".
    """

    def __init__(self, path: str | pathlib.Path, step: int = 0):
        """Opens for appending; lines past `step` and a torn last line are dropped."""
        self._path = pathlib.Path(path)
        kept = [line for line in read(self._path) if line['step'] <= step]
        text = ''.join(json.dumps(line) + '\n' for line in kept)
        files.write_atomic(self._path, text.encode())
        self._file = open(self._path, 'a', encoding='utf-8')

    def write(self, step: int, metrics: dict) -> None:
        """Appends one line and flushes it."""
        bad = [k for k, v in metrics.items() if not math.isfinite(v)]
        line = {'step': step} | {k: None if k in bad else v for k, v in metrics.items()}
        if bad:
            line['nonfinite'] = bad
        with files.naming(self._path):
            self._file.write(json.dumps(line, allow_nan=False) + '\n')
            self._file.flush()

    def close(self) -> None:
        with files.naming(self._path):
            self._file.close()


class Forgiving:
    """A sink that may fail: one warning, and the run goes on without it."""

    def __init__(self, sink: Any, directory: pathlib.Path, run: str):
        self._name, self._writer = type(sink).__name__, None
        self._writer = self._try(lambda: sink.open(directory, run))

    def write(self, step: int, metrics: dict) -> None:
        if self._writer is not None:
            self._try(lambda: self._writer.write(step, metrics))

    def close(self) -> None:
        if self._writer is not None:
            self._try(self._writer.close)

    def _try(self, call: Callable) -> Any:
        try:
            return call()
        except Exception as e:      # a service may raise anything; metrics.jsonl has it all
            self._writer = None
            print(f'warning: {self._name} failed and is left out from here on '
                  f'({type(e).__name__}: {e}); metrics.jsonl goes on', file=sys.stderr)


def read(path: str | pathlib.Path) -> list[dict]:
    """The whole lines of a metrics file; [] when there is none. A torn last line is left
    out."""
    lines = []
    if pathlib.Path(path).is_file():
        for text in pathlib.Path(path).read_text(encoding='utf-8').splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                break
    return lines


class Progress:
    """A tqdm bar on a terminal or notebook, else a plain line every ten seconds."""

    def __init__(self, members: Sequence[str], total: int, start: int, rows_per_step: int):
        from tqdm.auto import tqdm

        self.name = ', '.join(members)
        self._total, self._rows = total, rows_per_step
        self._began, self._start, self._said = time.monotonic(), start, time.monotonic()
        self._bar = None
        self._shown = processes.first()
        if self._shown and sys.stderr.isatty() or 'ipykernel' in sys.modules:
            self._bar = tqdm(total=total, initial=start, desc=self.name, unit='step')

    def update(self, step: int, metrics: Mapping[str, Mapping[str, float]]) -> None:
        """Shows the step reached and a few metrics of it, by member; none when empty."""
        if not metrics or not self._shown:
            return
        keys = dict.fromkeys(k for of in metrics.values() for k in of)
        shown = {k.rsplit('/', 1)[-1]: '|'.join(f'{of[k]:.4g}' for of in metrics.values()
                                                if k in of) for k in keys}
        rate = (step - self._start) / max(time.monotonic() - self._began, 1e-9)
        shown['rows/s'] = f'{rate * self._rows:.3g}'
        if self._bar is not None:
            self._bar.n = step
            self._bar.set_postfix(shown)
        elif time.monotonic() - self._said > 10 or step == self._total:
            self._said = time.monotonic()
            left = (self._total - step) / max(rate, 1e-9)
            text = '  '.join(f'{k} {v}' for k, v in shown.items())
            print(f'{self.name}: {step}/{self._total}  {rate:.1f} step/s  {text}  '
                  f'ETA {left:.0f} s', file=sys.stderr, flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.close()
