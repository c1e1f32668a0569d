"""Files are whole or not there, and pages keep what is not generated."""
import os
from pathlib import Path

import pytest

from cbm_plugin.files import remove_drafts, replace_between, write_text, write_whole


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / 'new_folder' / 'report.json'
    write_text(file, 'old')

    def fail_half_way(draft: Path) -> None:
        draft.write_text('ne')
        raise RuntimeError('disk full')

    with pytest.raises(RuntimeError, match='disk full'):
        write_whole(file, fail_half_way)
    assert file.read_text() == 'old' and list(file.parent.iterdir()) == [file]


def test_a_draft_has_the_ending_of_the_file(tmp_path: Path) -> None:
    seen = []
    write_whole(tmp_path / 'curve.png', lambda draft: (seen.append(draft), draft.touch()))
    assert seen[0].suffix == '.png' and seen[0].parent == tmp_path


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_the_end(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, fsync, replace = [], os.fsync, os.replace

    def noting_fsync(handle: int) -> None:
        steps.append(Path(os.readlink(f'/proc/self/fd/{handle}')))
        fsync(handle)

    def noting_replace(draft: Path, path: Path) -> None:
        steps.append(path)
        replace(draft, path)

    monkeypatch.setattr(os, 'fsync', noting_fsync)
    monkeypatch.setattr(os, 'replace', noting_replace)
    write_text(tmp_path / 'report.json', 'new')
    draft = tmp_path / f'.{os.getpid()}_report.json'
    assert steps == [draft, tmp_path / 'report.json', tmp_path]


def test_drafts_of_killed_processes_are_removed_and_no_others(tmp_path: Path) -> None:
    for name in ('.12_epoch_3.pth', '.12_curve.png', '.my_notes.pth', 'epoch_2.pth'):
        (tmp_path / name).touch()
    remove_drafts(tmp_path, '.pth')
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        '.12_curve.png', '.my_notes.pth', 'epoch_2.pth']


def test_a_page_is_replaced_between_its_comments_alone(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text('before\n<!-- b -->\nold\n<!-- e -->\nafter\n')
    replace_between(page, '<!-- b -->', '<!-- e -->', 'new\n')
    assert page.read_text() == 'before\n<!-- b -->\n\nnew\n\n<!-- e -->\nafter\n'


def test_a_page_without_its_place_is_refused_and_stays(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text('<!-- e -->\n<!-- b -->\n')
    with pytest.raises(ValueError, match='once and in this order'):
        replace_between(page, '<!-- b -->', '<!-- e -->', 'new')
    assert page.read_text() == '<!-- e -->\n<!-- b -->\n'
