"""An experiment: subject -> source -> dictionaries -> evaluations -> results.

A config has
    seed, world (section), subject {model, optim, steps, batch_size}, or {checkpoint (a
                 Hugging Face directory or repository), family, dtype}; both may be absent
    source       section of data/sources
    dictionaries {name: {dictionary, init, losses, optim, events, steps, batch_size,
                 subject, seed, stop, sweep, family}};
                 those of one subject and batch size train together on one stream; `sweep`
                 makes several of one (sweep.py), the report draws the front of a `family`
    mesh         {data, model}: sizes of the mesh's axes
    batch_parts  of how many calls of the source a batch is made (mesh.Placement.batch)
    evaluation   {sequences or rows, seed}
    log_every, save_every, keep, keep_every     checkpoints: the newest `keep`, and for ever
                 each multiple of `keep_every`
    sinks        names or sections of train/sinks
    require      'gpu' or 'tpu': refuse to fall back to the CPU

`check` builds everything without compiling and reports all problems at once; `run` does the
work, each stage resumable, and returns the flat results.
"""
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import sys
import time
from typing import Any, Mapping

import jax
from safetensors.flax import load_file, save_file

from saex import config as config_lib, env, evaluate, mesh, processes, sweep, tree
from saex.dictionary import build as build_dictionary
from saex.formats import native
from saex.losses import objective
from saex.optim import chain
from saex.subjects.checkpoints import load
from saex.subjects.network import Network
from saex.train import (checkpoint, dictionary, early, event, files, hazards, loop,
                        subject as subject_problem)
from saex.train.state import Member

ROOT = pathlib.Path(__file__).parent
LOOP = {'log_every': 10, 'save_every': 200, 'keep': 2, 'keep_every': 0,
        'batch_parts': 1}
EVALUATION_SECONDS = 24 * 3600      # that other processes wait for the first's results
KEYS = {'seed', 'world', 'subject', 'source', 'dictionaries', 'evaluation', 'title', 'sinks',
        'require', 'mesh', *LOOP}
CHECKPOINT_KEYS = {'checkpoint', 'family', 'dtype'}
DICTIONARY_KEYS = {'dictionary', 'init', 'losses', 'optim', 'events', 'steps', 'batch_size',
                   'subject', 'seed', 'stop', 'family'}


@dataclasses.dataclass
class Recipe:
    """One dictionary's parts, built. rows: shapes of a batch's rows; beside: of the rest."""
    problem: Any
    optimizer: Any
    model: Any
    section: dict
    rows: dict[str, tuple]
    stop: Any = None
    beside: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Plan:
    """A whole experiment, built but not yet run."""
    config: dict
    world: Any
    model: Any
    subject_optimizer: Any
    recipes: dict[str, Recipe]
    loop: dict
    warnings: list[str]


def plan(config: Mapping) -> Plan:
    """Builds every part of the config. Raises ConfigError with all problems at once."""
    config = config.to_dict() if hasattr(config, 'to_dict') else dict(config)
    problems = [f'{k}: unknown; {config_lib.suggest(k, KEYS)}' for k in config
                if k not in KEYS]
    problems += [f'{k}: missing' for k in ('source', 'dictionaries') if k not in config]
    problems += hazards.shape(config)
    if problems:
        raise config_lib.ConfigError(problems)
    config = config | {'dictionaries': sweep.expand(config['dictionaries'])}

    def attempt(fn, *args, **kwargs):
        try:
            return fn(*args, **kwargs)
        except config_lib.ConfigError as e:
            problems.extend(e.problems)
            return None

    world = model = optimizer = None
    if 'world' in config:
        world = attempt(config_lib.build, 'saex.data.worlds', config['world'], where='world')
    if 'subject' in config and world is not None:
        section = config['subject']
        if 'checkpoint' in section:
            problems += [f'subject.{k}: unknown; {config_lib.suggest(k, CHECKPOINT_KEYS)}'
                         for k in section if k not in CHECKPOINT_KEYS]
            model = attempt(load.model, section['checkpoint'], section.get('family'))
        else:
            model = attempt(config_lib.build, 'saex.subjects', section['model'],
                            where='subject.model', vocab=world.vocab, context=world.context)
            bad = _counts(section, 'subject')
            problems += bad
            optimizer = None if bad else attempt(chain.build, section['optim'],
                                                 section['steps'], 'subject.optim')
    shared = {} if model is None else {'world': world, 'subject': Network(model)}
    source = None
    if 'subject' not in config or model is not None:
        source = attempt(config_lib.build, 'saex.data.sources', config['source'],
                         where='source', **shared)
    spec = source.spec if source is not None else {'d_in': 64}
    problems += [f'dictionaries: {line}' for line in
                 map(files.name_problem, config['dictionaries']) if line]
    recipes = {name: attempt(_recipe, section, spec, source, f'dictionaries.{name}')
               for name, section in config['dictionaries'].items()}
    sinks = [attempt(config_lib.build, 'saex.train.sinks', sink, where=f'sinks[{i}]')
             for i, sink in enumerate(config.get('sinks', ()))]
    loop_options = {k: config.get(k, default) for k, default in LOOP.items()}
    problems += [f'{k}: expected a positive int, got {value!r}'
                 for k, value in loop_options.items()
                 if type(value) is not int or value < 1 and (k, value) != ('keep_every', 0)]
    attempt(env.require, config.get('require'))
    placement = mesh.Placement(attempt(mesh.make, config['mesh']) if 'mesh' in config else None)
    if jax.process_count() > 1 and 'mesh' not in config:
        problems.append(f'mesh: missing; {jax.process_count()} processes need one, such as '
                        f'dict(data={jax.device_count()})')
    warnings = []
    for name, recipe in recipes.items():
        if recipe is not None:
            problems += [f'dictionaries.{name}.{line}' for line in placement.problems(
                recipe.section['batch_size'], recipe.model.features,
                loop_options['batch_parts'], recipe.beside)]
            errors, more = hazards.find(recipe, f'dictionaries.{name}')
            problems, warnings = problems + errors, warnings + more
    if problems:
        raise config_lib.ConfigError(problems)
    return Plan(config, world, model, optimizer, recipes, loop_options | {
        'sinks': sinks, 'placement': placement}, warnings)


def _counts(section: Mapping, where: str) -> list[str]:
    return [f'{where}.{k}: expected a positive int, got {section.get(k)!r}'
            for k in ('steps', 'batch_size')
            if type(section.get(k)) is not int or section[k] < 1]


def _recipe(section: Mapping, spec: Mapping, source: Any, where: str) -> Recipe:
    problems = [f'{where}.{k}: unknown; {config_lib.suggest(k, DICTIONARY_KEYS)}'
                for k in section if k not in DICTIONARY_KEYS]
    problems += _counts(section, where)
    if problems:
        raise config_lib.ConfigError(problems)
    steps, built, keys = section['steps'], {}, frozenset(spec.get('keys', ()))
    for label, make in {
            'model': lambda: build_dictionary.dictionary(
                section['dictionary'], spec['d_in'], f'{where}.dictionary', keys=keys,
                d_out=spec.get('d_out'), sites=spec.get('sites', 1)),
            'init': lambda: build_dictionary.initialiser(section.get('init', {}),
                                                         f'{where}.init'),
            'optim': lambda: chain.build(section['optim'], steps, f'{where}.optim'),
            'events': lambda: event.build(section.get('events', {}), steps,
                                          f'{where}.events'),
            'stop': lambda: early.build(section.get('stop'), f'{where}.stop')}.items():
        try:
            built[label] = make()
        except config_lib.ConfigError as e:
            problems += e.problems
    provided = keys | (build_dictionary.provided(built['model']) if 'model' in built else
                       frozenset())
    try:
        goal = objective.build(section['losses'], provided, steps, f'{where}.losses')
    except config_lib.ConfigError as e:
        problems += e.problems if 'model' in built else []
    if problems:
        raise config_lib.ConfigError(problems)
    problem = dictionary.problem(built['model'], goal, built['init'], section['batch_size'],
                                 built['events'], getattr(source, 'tail', None))
    beside = getattr(source, 'beside_rows', lambda size: {})(section['batch_size'])
    return Recipe(problem, built['optim'], built['model'], dict(section), _rows(spec),
                  built['stop'], beside)


def _rows(spec: Mapping) -> dict[str, tuple]:
    x = (spec['sites'], spec['d_in']) if 'sites' in spec else (spec['d_in'],)
    shapes = {'x': x, 'pair': x, 'grad': x, 'y': (spec.get('d_out'),)}
    keys = {'x', *spec.get('keys', ())} | ({'y'} if 'd_out' in spec else set())
    return {key: shapes.get(key, ()) for key in keys}


def run(config: Mapping, workdir: str | pathlib.Path, fresh: bool = False) -> dict:
    """Runs or resumes the experiment in workdir; returns results.json's content.

    Raises ConfigError before anything is compiled, Stopped when a signal asked to leave.
    """
    made = processes.together(lambda: plan(config), told)
    for line in made.warnings if processes.first() else []:
        print(f'warning: {line}', file=sys.stderr)
    workdir = pathlib.Path(workdir)
    with contextlib.ExitStack() as held:
        def begin():
            held.enter_context(files.locked(workdir))
            if fresh:
                _empty(workdir)
            _same_run(made.config, workdir)
            files.write_json(workdir / 'config.json', made.config)
            files.write_json(workdir / 'env.json', env.describe())

        processes.by_first(begin)
        return _run(made, workdir)


def told(made: Plan) -> dict:
    """What of a plan must be the same in every process."""
    return tree.flatten(made.config)


def _same_run(config: dict, workdir: pathlib.Path) -> None:
    """Raises CheckpointError when workdir holds another run, before a file of it changes.
    More steps, more dictionaries and another cadence are the same run."""
    try:
        before = json.loads((workdir / 'config.json').read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return
    both = set(before.get('dictionaries', {})) & set(config['dictionaries'])
    changed = checkpoint.changes(_decisive(before, both), _decisive(config, both))
    if changed:
        raise checkpoint.CheckpointError(
            f'{workdir} holds another run: {"; ".join(changed)}. Put it back, or use another '
            '--workdir, or --fresh to start over')


def _decisive(config: Mapping, names: set) -> dict:
    """The values by '/'-paths that decide what is trained."""
    kept = {k: config[k] for k in ('seed', 'world', 'subject', 'source') if k in config}
    kept['dictionaries'] = {name: {k: v for k, v in config['dictionaries'][name].items()
                                   if k != 'steps'} for name in names}
    return tree.flatten(json.loads(json.dumps(kept)))


def _empty(workdir: pathlib.Path) -> None:
    held = [p for p in workdir.iterdir() if p.name != 'lock']
    if held and not (workdir / 'config.json').is_file():
        raise config_lib.ConfigError(f'--fresh: {workdir} holds no run of saex but '
                                     f'{held[0].name!r}; nothing was deleted')
    for path in workdir.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != 'lock':
            path.unlink()


def _run(made: Plan, workdir: pathlib.Path) -> dict:
    seconds, network, untrained = {}, None, None
    if made.model is not None:
        began = time.monotonic()
        network, untrained = _subject(made, workdir)
        seconds['subject'] = time.monotonic() - began
    trained = {}
    for (subject, batch_size), names in _groups(made).items():
        began = time.monotonic()
        source = _source(made, untrained if subject == 'untrained' else network)
        members = [_member(made, name, source, workdir) for name in names]
        states = loop.fit(members, source, batch_size=batch_size, **made.loop)
        for name in names:
            recipe = made.recipes[name]
            state = made.loop['placement'].local(states[name])
            trained[name] = (state, source)
            if not processes.first():
                continue
            native.save(workdir / 'dictionaries' / name, recipe.model, state.params,
                        state.stats, {'hook_name': made.config['source'].get('site'),
                                      'recipe': recipe.section['dictionary']})
        seconds[', '.join(names)] = time.monotonic() - began

    def finish():
        began = time.monotonic()
        results = evaluate.everything(made, trained, network, workdir)
        seconds['evaluation'] = time.monotonic() - began
        files.write_json(workdir / 'results.json', results)
        files.write_json(workdir / 'seconds.json', seconds)
        return results

    return processes.by_first(finish, EVALUATION_SECONDS)


def stream(made: Plan, workdir: pathlib.Path) -> tuple[Network | None, Any]:
    """(network, source) of a plan, without its dictionaries."""
    network = _subject(made, workdir)[0] if made.model is not None else None
    return network, _source(made, network)


def stream(made: Plan, workdir: pathlib.Path) -> tuple[Network | None, Any]:
    """(network, source) of a plan, without its dictionaries."""
    network = _subject(made, workdir)[0] if made.model is not None else None
    return network, _source(made, network)


def _groups(made: Plan) -> dict[tuple, list[str]]:
    """(subject, batch size) -> the dictionaries that can share their batches."""
    groups: dict[tuple, list[str]] = {}
    for name, recipe in made.recipes.items():
        key = recipe.section.get('subject'), recipe.section['batch_size']
        groups.setdefault(key, []).append(name)
    return groups


def _member(made: Plan, name: str, source: Any, workdir: pathlib.Path) -> Member:
    recipe = made.recipes[name]
    seed = recipe.section.get('seed', made.config.get('seed', 0))
    return Member(name, recipe.problem, recipe.optimizer, recipe.section['steps'], seed,
                  workdir / 'train' / name,
                  {'config': _hash({k: v for k, v in recipe.section.items() if k != 'steps'}),
                   'data': source.fingerprint}, recipe.stop)


def _source(made: Plan, network: Any) -> Any:
    shared = {'seed': made.config.get('seed', 0)}
    if network is not None:
        shared |= {'world': made.world, 'subject': network}
    section = {k: v for k, v in made.config['source'].items()
               if not (k == 'seed' and network is not None)}
    if 'seed' in section:
        shared.pop('seed')
    return config_lib.build('saex.data.sources', section, where='source', **shared)


def _subject(made: Plan, workdir: pathlib.Path) -> tuple[Network, Network]:
    """(trained, untrained) subject, from the cache when it holds one."""
    section, seed = made.config['subject'], made.config.get('seed', 0)
    if 'checkpoint' in section:
        return _pretrained(made.model, section, seed)
    problem = subject_problem.problem(made.model)
    source = subject_problem.WorldSource(made.world, seed)
    start, _ = jax.jit(problem.init)(jax.random.fold_in(jax.random.key(seed), 0), None)
    untrained = Network(made.model, start)
    name = _hash([section, made.world.fingerprint, seed, _code_version(), jax.__version__])
    cached = env.cache() / 'subjects' / f'{name}.safetensors'
    if processes.every(_whole(cached)):
        return Network(made.model, tree.unflatten(load_file(cached))), untrained
    member = Member('subject', problem, made.subject_optimizer, section['steps'], seed,
                    workdir / 'train' / 'subject',
                    {'config': _hash(section), 'data': source.fingerprint})
    state = made.loop['placement'].local(loop.fit(
        [member], source, batch_size=section['batch_size'], **made.loop)['subject'])
    if not processes.first():
        return Network(made.model, state.params), untrained
    cached.parent.mkdir(parents=True, exist_ok=True)
    building = cached.with_suffix(f'.{os.getpid()}')
    save_file(tree.flatten(state.params), building)
    files.write_atomic(_digest_file(cached), files.sha256(building).encode())
    building.rename(cached)
    return Network(made.model, state.params), untrained


def _digest_file(cached: pathlib.Path) -> pathlib.Path:
    return cached.with_suffix('.sha256')


def _whole(cached: pathlib.Path) -> bool:
    """Whether the cache holds this file as it was written."""
    if not cached.is_file() or not _digest_file(cached).is_file():
        return False
    if _digest_file(cached).read_text() == files.sha256(cached):
        return True
    print(f'the cached subject {cached} was changed after it was written; it is trained anew',
          file=sys.stderr)
    return False


def _pretrained(model: Any, section: Mapping, seed: int) -> tuple[Network, Network]:
    """(the checkpoint's network, one of the same shape with random weights)."""
    network = load.load(section['checkpoint'], section.get('dtype'),
                        family=section.get('family'))
    start = jax.jit(lambda key: model.init(key, *model.example())['params'])
    return network, Network(model, start(jax.random.key(seed)))


def _code_version() -> str:
    """Hash of the code that decides what a trained subject is."""
    digest = hashlib.sha256()
    for room in ('data/text', 'data/worlds', 'subjects', 'optim', 'train'):
        for path in sorted((ROOT / room).rglob('*.py')):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
