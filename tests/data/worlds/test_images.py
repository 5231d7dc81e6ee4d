import dataclasses
import pathlib

import jax
import numpy as np
import pytest

from saex.config import ConfigError, build
from saex.data.sources.harvest import Harvest
from saex.data.worlds.images import Images
from saex.subjects.checkpoints import load

GOLDEN = pathlib.Path(__file__).parents[2] / 'subjects' / 'golden'


@pytest.fixture(scope='module')
def subject():
    return load.load(GOLDEN / 'vit')


@pytest.fixture(scope='module')
def world(tmp_path_factory, subject):
    folder, side = tmp_path_factory.mktemp('images'), subject.model.image
    pixels = np.random.default_rng(0).integers(0, 256, (60, side, side, 3), np.uint8)
    np.save(folder / 'x.npy', pixels)
    np.save(folder / 'labels.npy', np.arange(60) % 3)
    return Images(str(folder / 'x.npy'), subject.model.patch,
                  labels=str(folder / 'labels.npy'), test_share=0.2)


def test_patches_and_cls_are_those_of_the_network(world, subject):
    site, pixels = f'blocks.{subject.model.layers - 1}.resid_post', np.load(world.path)
    x = np.asarray(subject.capture((pixels / 255 - 0.5).astype(np.float32) / 0.5, site))
    assert x.shape[1] == world.context
    for positions, rows in (('patches', x[:, 1:]), ('cls', x[:, :1]), ('all', x)):
        made = Harvest(dataclasses.replace(world, positions=positions), subject, site,
                       sequences=48, beside=('labels',))
        assert made.problems() == []
        found = made.chunk(0)
        assert len(found['x']) == 48 * rows.shape[1] and made.chunk(1) is None
        for row, (image, _, place), label in list(zip(found['x'], found['where'],
                                                      found['labels']))[:50]:
            np.testing.assert_allclose(row, x[image, place + 1], atol=2e-5)
            assert label.tolist() == [image % 3 == c for c in range(3)]
    mean = Harvest(world, subject, site, sequences=48, pool='mean').chunk(0)
    for row, where in zip(mean['x'], mean['where']):
        np.testing.assert_allclose(row, x[where[0], 1:].mean(0), atol=2e-5)
    held = Harvest(world, subject, site, sequences=48).rows(jax.random.key(0), 100)
    assert len(held['x']) == 12 * (world.context - 1) and held['states'].shape[1] == 3


@pytest.mark.parametrize('options, told', [
    (dict(patch=3), 'do not divide by 3'), (dict(positions='class'), 'positions: expected'),
    (dict(path='/absent.npy'), 'not an array that can be read'),
    (dict(cls=False, positions='cls'), 'patches or all without cls')])
def test_problems_are_told(world, options, told):
    with pytest.raises(ConfigError, match=told):
        build('saex.data.worlds', dict(name='images', path=world.path, patch=world.patch)
              | options)


def test_a_subject_of_other_patches_is_refused(world, subject):
    wrong = dataclasses.replace(world, cls=False)
    found = Harvest(wrong, subject, 'embed').problems()
    assert len(found) == 1 and 'the subject has' in found[0]
