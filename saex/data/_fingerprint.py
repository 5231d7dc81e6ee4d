"""One line that identifies what a generator makes."""
import dataclasses
import hashlib
import json
from typing import Any


def of(part: Any) -> str:
    """SHA-256 (64 hex digits) of the class name and every field of a dataclass.

    The fields are written as canonical JSON (sorted keys, no spaces, 8.0 as 8), so equal
    parts have the same line in every process. Raises TypeError for a field that JSON cannot
    hold.
    """
    fields = {name: int(value) if isinstance(value, float) and value.is_integer() else value
              for name, value in dataclasses.asdict(part).items()}
    told = {'class': type(part).__name__, 'fields': fields}
    text = json.dumps(told, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(text.encode()).hexdigest()
