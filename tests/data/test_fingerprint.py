import dataclasses
import hashlib

from saex.data import _fingerprint
from saex.data.worlds import rooms


@dataclasses.dataclass(frozen=True)
class Part:
    size: int = 3
    rate: float | None = 0.5


def test_hash_of_the_class_and_its_fields():
    text = '{"class":"Part","fields":{"rate":0.5,"size":3}}'
    assert _fingerprint.of(Part()) == hashlib.sha256(text.encode()).hexdigest()


def test_equal_parts_have_equal_lines():
    assert _fingerprint.of(Part(rate=2.0)) == _fingerprint.of(Part(rate=2))
    other = dataclasses.make_dataclass('Other', [('size', int, 3), ('rate', float, 0.5)])
    lines = [_fingerprint.of(p) for p in (Part(), Part(4), Part(rate=None), other())]
    assert len(set(lines)) == 4


def test_a_world_that_differs_in_any_field_differs():
    changed = [rooms.Rooms(**{field.name: getattr(rooms.Rooms(), field.name) + 1})
               for field in dataclasses.fields(rooms.Rooms)]
    assert len({world.fingerprint for world in changed + [rooms.Rooms()]}) == 7
