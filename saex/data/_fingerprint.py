"""One line that identifies what a generator makes."""
import dataclasses
import hashlib
import json
from typing import Any


def of(part: Any) -> str:
    """SHA-256 (64 hex digits) of the class name and every field of a dataclass.

    The fields are written as canonical JSON (sorted keys, no spaces), so the line is the
    same in every process. Raises TypeError for a field that JSON cannot hold.
    """
    told = {'class': type(part).__name__, 'fields': dataclasses.asdict(part)}
    text = json.dumps(told, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(text.encode()).hexdigest()
