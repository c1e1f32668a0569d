"""The table of `make coverage`, made from a real run of a generated package."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'setup' / 'coverage_by_room.py'
FILES = {
    'run.py': 'import toy.kitchen\n',
    'toy/__init__.py': 'doors = 1\n',
    'toy/kitchen/__init__.py': 'from .oven import bake\nbake()\n',
    'toy/kitchen/oven.py': 'def bake():\n    return 1\n\n\ndef burn():\n    return 2\n',
    'toy/cellar/__init__.py': '',
    'toy/cellar/wine.py': 'bottles = 3\nglasses = 4\n',
}


def run(folder: Path, *arguments: object) -> str:
    environment = {name: value for name, value in os.environ.items() if 'COV' not in name}
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=folder, env=environment,
                          text=True, check=True, capture_output=True).stdout


@pytest.fixture(scope='module')
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('measured')
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    run(folder, '-m', 'coverage', 'run', '--source', 'toy', 'run.py')
    return folder


@pytest.mark.parametrize('row', [
    '| `toy/kitchen` | 6 | 5 | 83.3 % |',
    '| `toy/*.py` | 1 | 1 | 100.0 % |',
    '| all | 9 | 6 | 66.7 % |'])
def test_each_package_has_its_statements_and_those_that_ran(measured: Path, row: str) -> None:
    assert row in run(measured, TOOL, 'toy').splitlines()


def test_a_package_that_no_test_imports_counts_too(measured: Path) -> None:
    assert '| `toy/cellar` | 2 | 0 | 0.0 % |' in run(measured, TOOL, 'toy').splitlines()


def test_a_page_gets_the_table_in_place_of_the_old_one(measured: Path) -> None:
    page = measured / 'page.md'
    page.write_text('Before.\n<!-- coverage: begin -->\nold\n<!-- coverage: end -->\nAfter.\n')
    table = run(measured, TOOL, 'toy', '--into', page.name)
    text = page.read_text()
    assert table in text and 'old' not in text
    assert text.startswith('Before.\n') and text.endswith('\nAfter.\n')
