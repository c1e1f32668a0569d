"""The authors' labels are reproduced exactly."""
import numpy as np
import pytest

from cbm_plugin.polygon.geometry.authors_encoding import (
    authors_cells,
    authors_labels,
    authors_slices,
)

from ...layers.golden import load

GOLDEN = load('polygon_labels')
VERTICES = (3, 4, 20, 56, 57, 60, 120)
DIVISIONS = sorted(name.split('/')[0] + '/' + name.split('/')[1] for name in GOLDEN
                   if name.startswith('divider') and name.endswith('index'))


@pytest.mark.parametrize('vertices', VERTICES)
def test_labels_of_a_polygon_are_the_authors(vertices: int) -> None:
    labels = authors_labels(authors_cells(GOLDEN[f'f64/v{vertices}/polygon'], side=224))
    for ours, theirs in (('tokens', 'label_index_array'), ('rows', 'label_row_hot'),
                         ('first', 'first_hot'), ('second', 'second_hot'), ('third', 'third_hot'),
                         ('target', 'target'), ('overlap', 'overlap')):
        np.testing.assert_array_equal(getattr(labels, ours), GOLDEN[f'v{vertices}/{theirs}'], ours)


def test_there_are_golden_divisions_of_both_pythons() -> None:
    assert len(DIVISIONS) == 12


@pytest.mark.parametrize('division', DIVISIONS)
def test_slices_are_the_authors(division: str) -> None:
    length, slices = (int(part[1:]) for part in division.split('/')[1].split('_'))
    index, overlap = authors_slices(length, slices, python2='py2' in division)
    np.testing.assert_array_equal(index, GOLDEN[f'{division}/index'])
    np.testing.assert_array_equal(overlap, GOLDEN[f'{division}/overlap'])


def test_unit_coordinates_give_the_cells_of_pixels() -> None:
    polygon = np.array([[1., 1], [100, 1], [150, 223], [224, 224]])
    cells = authors_cells(polygon / 224)
    assert cells.tolist() == authors_cells(polygon, side=224).tolist() == [0, 12, 774, 783]


def test_order_direction_and_equal_neighbours_stay() -> None:
    polygon = np.array([[.9, .9], [.9, .1], [.1, .1], [.101, .1]])
    assert authors_cells(polygon, grid_size=10).tolist() == [99, 19, 11, 11]


def test_what_has_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match='room for 57'):
        authors_labels(np.arange(58))
    with pytest.raises(ValueError, match='3 positions cannot be divided into 9'):
        authors_slices(3, 9)
