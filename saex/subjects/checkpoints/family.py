"""What a family of transformers is: a model and a table of the names of its weights."""
import dataclasses
from typing import Any, Callable, Mapping

__all__ = []       # not itself a subject

@dataclasses.dataclass(frozen=True)
class Family:
    """model(config) -> module. table: path (blocks_3/ is blocks/, {i} is its index) ->
    name, or several names to be fused (queries, keys, values). prefix: what a checkpoint
    with a head puts before the names, 'a|b' where that differs. ignore: regexes of weights
    that a subject does not use. linear: the blocks' kernels are stored [out, in]. packed:
    how one tensor holds q, k and v: 'thirds', or 'heads' (head by head, as here)."""
    model: Callable[[Mapping], Any]
    table: Mapping[str, str | tuple[str, ...]]
    prefix: str = ''
    ignore: tuple[str, ...] = ()
    linear: bool = True
    packed: str = 'thirds'
