"""The ceiling of a grid of cells, on outlines whose ceiling is known."""
import json
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools' / 'analysis_tools'
sys.path.insert(0, str(TOOLS))

import polygon_grid_ceiling  # noqa: E402


def rectangle(x: float, y: float, width: float, height: float) -> list:
    return [x, y, x + width, y, x + width, y + height, x, y + height]


@pytest.fixture
def ann_file(tmp_path: Path) -> str:
    parts = [(1, [rectangle(0, 0, 1000, 500)]),
             (2, [rectangle(100, 100, 700, 600), rectangle(500, 0, 400, 400)]),
             (2, [[0, 0, 900, 899, 900, 900]])]
    content = dict(
        images=[dict(id=1, file_name='nowhere.png', height=1000, width=1000)],
        categories=[dict(id=1, name='plate'), dict(id=2, name='box'), dict(id=3, name='none')],
        annotations=[dict(id=number, image_id=1, category_id=category, segmentation=polygons)
                     for number, (category, polygons) in enumerate(parts)])
    file = tmp_path / 'outlines.json'
    file.write_text(json.dumps(content))
    return str(file)


def table(capsys) -> list:
    lines = capsys.readouterr().out.strip().splitlines()
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


def test_the_ceiling_of_rectangles_is_the_formula(ann_file: str, capsys) -> None:
    polygon_grid_ceiling.main([ann_file, '--grid-size', '10', '28'])
    head, _, *rows = table(capsys)
    assert head == ['grid', 'instances', 'classes', 'plate', 'box', 'none',
                    'vertices (median, most)', 'too thin']
    for row, size in zip(rows, (10, 28)):
        # the sides lie 1/22 inside the crop; decoded, they run through the middle of their cells
        first, last = int(size / 22), int(size * 21 / 22)
        ceiling = ((last - first) / size * 1.1) ** 2
        ceiling = min(ceiling, 1 / ceiling)
        assert row[0] == f'{size} x {size}' and row[6:] == ['4, 4', '1']
        plate, box = float(row[3]), float(row[4])
        assert plate == pytest.approx(ceiling, abs=0.005)
        assert box == pytest.approx(2 / 3 * ceiling, abs=0.005)  # one of three parts is too thin
        assert float(row[1]) == pytest.approx((plate + 3 * box) / 4, abs=1e-4)
        assert float(row[2]) == pytest.approx((plate + box) / 2, abs=1e-4) and row[5] == 'nan'


def test_what_has_no_table_is_refused(tmp_path: Path, ann_file: str) -> None:
    empty = tmp_path / 'empty.json'
    empty.write_text(json.dumps(dict(images=[], categories=[], annotations=[])))
    with pytest.raises(SystemExit, match='no valid outline'):
        polygon_grid_ceiling.main([str(empty)])
    with pytest.raises(SystemExit):
        polygon_grid_ceiling.main([ann_file, '--max-vertices', '2'])
