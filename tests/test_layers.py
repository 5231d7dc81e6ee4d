"""Imports only point down: read from the syntax trees."""
import ast
import pathlib

LAYERS = [{'types', 'config', 'tree', 'ops', 'env', 'sweep', 'processes'},
          {'dictionary', 'losses', 'optim', 'mesh', 'subjects'}, {'data', 'formats'},
          {'evals', 'steering', 'circuits', 'analysis'}, {'train'}, {'report'},
          {'experiment', 'evaluate', 'execute', 'cli', '__init__'}]
LEVEL = {room: i for i, rooms in enumerate(LAYERS) for room in rooms}
ROOT = pathlib.Path(__file__).parents[1] / 'saex'


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, 'relative import'
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def test_imports_point_down():
    files = list(ROOT.rglob('*.py'))
    assert len(files) > 20
    upward = []
    for file in files:
        room = file.relative_to(ROOT).parts[0].removesuffix('.py')
        for name in imported(ast.parse(file.read_text())):
            parts = name.split('.')
            if parts[0] != 'saex' or len(parts) == 1 or parts[1] not in LEVEL:
                continue
            if LEVEL[parts[1]] > LEVEL[room]:
                upward.append(f'{file}: {name}')
    assert not upward, upward


def test_files_are_small():
    sizes = {f: f.read_text().count('\n') for f in ROOT.rglob('*.py')}
    assert not {f: n for f, n in sizes.items() if n > 400}
