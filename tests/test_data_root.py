"""Paths that annotations name stay below the data root."""
import os
from pathlib import Path

import pytest

from cbm_plugin.data_root import inside, listed


@pytest.mark.parametrize('path, found', [
    ('a.mp4', 'data/a.mp4'), ('b/c d.mp4', 'data/b/c d.mp4'), ('./b//a.mp4', 'data/b/a.mp4'),
    ('b/../a.mp4', 'data/a.mp4'), ('..a.mp4', 'data/..a.mp4'), ('b/..', 'data/.')])
def test_a_path_starts_from_the_root(path: str, found: str) -> None:
    assert inside('data', path, 'list.txt, line 1') == found


@pytest.mark.parametrize('path', ['..', '../a.mp4', 'b/../../a.mp4', '/a.mp4', '/', '../data2/a'])
@pytest.mark.parametrize('root', ['data', './data', '{here}/data'])
def test_a_path_that_leads_out_is_refused_with_its_place(root: str, path: str) -> None:
    with pytest.raises(ValueError, match=r"list\.txt, line 3: '.*' leads out of the folder .*data: "
                       'list files below it'):
        inside(root.format(here=os.getcwd()), path, 'list.txt, line 3')


def test_an_absolute_path_below_the_root_is_taken() -> None:
    assert inside('data', f'{os.getcwd()}/data/b/a.mp4', '') == 'data/b/a.mp4'
    assert inside('/', '/b/a.mp4', '') == '/b/a.mp4'


def test_a_neighbour_whose_name_begins_like_the_root_is_outside() -> None:
    with pytest.raises(ValueError, match='leads out'):
        inside('data', f'{os.getcwd()}/data2/a.mp4', '')


@pytest.mark.parametrize('path', ['/b/a.mp4', '../a.mp4', 'a.mp4'])
def test_without_a_root_paths_are_taken_as_they_are(path: str) -> None:
    assert inside('', path, '') == path


def test_a_linked_root_and_linked_folders_in_it_are_followed(tmp_path: Path) -> None:
    for folder in ('disk/walk', 'other', 'project'):
        (tmp_path / folder).mkdir(parents=True)
    for file in ('disk/walk/a.mp4', 'other/b.mp4'):
        (tmp_path / file).touch()
    root = tmp_path / 'project/data'
    root.symlink_to(tmp_path / 'disk')
    (tmp_path / 'disk/more').symlink_to(tmp_path / 'other')
    for path in ('walk/a.mp4', 'more/b.mp4', str(tmp_path / 'disk/walk/a.mp4')):
        assert Path(inside(str(root), path, '')).is_file()


def test_the_way_back_from_a_link_ends_where_its_name_stands(tmp_path: Path) -> None:
    for folder in ('data', 'elsewhere/deep'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'elsewhere/secret').touch()
    (tmp_path / 'data/link').symlink_to(tmp_path / 'elsewhere/deep')
    assert os.path.isfile(tmp_path / 'data/link/../secret')  # as the system reads it
    assert not os.path.isfile(inside(str(tmp_path / 'data'), 'link/../secret', ''))


def test_what_was_listed_is_told_from_a_joined_path() -> None:
    for root in ('data', 'data/', '.', '/'):
        for path in ('a.mp4', '../a.mp4'):
            assert listed(root, os.path.join(root, path)) == path
    assert listed('data', '/etc/a.mp4') == '/etc/a.mp4'
    assert listed('', 'a.mp4') == 'a.mp4'
