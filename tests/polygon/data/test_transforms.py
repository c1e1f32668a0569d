"""The pipeline from an annotated object to crop, cells and clips."""
from pathlib import Path
from typing import List

import cv2
import numpy as np
import pytest
import torch

from cbm_plugin.polygon import (
    CropObject,
    EncodeOutline,
    FlipObject,
    JitterColour,
    JitterVertices,
    LoadObjectImage,
    PackPolygonInputs,
    SampleVertexClips,
    VertexGrid,
)
from cbm_plugin.polygon.geometry.authors_encoding import authors_cells
from cbm_plugin.polygon.geometry.outline import canonical, polygon_iou

PART = np.array([[12, 8], [40, 8], [40, 30], [20, 34]], np.float32)
SMALL = np.array([[50, 40], [52, 40], [52, 44]], np.float32)


def instance(**more: object) -> dict:
    rng = np.random.default_rng(0)
    return dict(dict(img=rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), box=(12, 8, 40, 34),
                     parts=[SMALL, PART], category=1, ori_shape=(48, 64)), **more)


def run(results: dict, *steps: object, seed: int = 0) -> dict:
    np.random.seed(seed)
    for step in steps:
        results = step(results)
    return results


# --- image and crop


def test_an_image_that_is_there_is_not_read_again() -> None:
    found = LoadObjectImage()(dict(instance(), img_path='none.png'))
    assert found['ori_shape'] == (48, 64)


def test_the_largest_part_becomes_the_outline_of_the_grown_box() -> None:
    found = CropObject(32)(instance())
    assert found['img'].shape == (32, 32, 3) and found['img'].dtype == np.uint8
    assert found['crop'] == pytest.approx((12 - 1.4, 8 - 1.3, 40 + 1.4, 34 + 1.3))
    # the box is 1 / 1.1 of the crop, in its middle
    assert found['outline'].min(axis=0) == pytest.approx([0.05 / 1.1] * 2, abs=1e-6)
    assert found['outline'].max(axis=0) == pytest.approx([1.05 / 1.1] * 2, abs=1e-6)


def test_without_parts_there_is_a_crop_and_no_outline() -> None:
    assert 'outline' not in CropObject(32)(instance(parts=None))


def test_a_box_is_moved_and_scaled_within_the_given_shares() -> None:
    step = CropObject(8, grow=0, shift=0.1, scale=0.2)
    crops = np.array([run(instance(), step, seed=seed)['crop'] for seed in range(300)])
    size = (crops[:, 2:] - crops[:, :2]) / (28, 26)
    shift = ((crops[:, 2:] + crops[:, :2]) / 2 - (26, 21)) / (28, 26)
    assert size.min() >= 0.8 and size.max() <= 1.2 and np.abs(shift).max() <= 0.1
    assert size.min() < 0.82 and size.max() > 1.18 and np.abs(shift).max() > 0.09


def test_a_mirrored_outline_lies_where_the_object_lies_in_the_mirrored_crop() -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    cv2.fillPoly(image, [PART.astype(int)], (255, 255, 255))
    found = run(instance(img=image), CropObject(128), FlipObject(1.0))
    drawn = np.zeros((128, 128), np.uint8)
    cv2.fillPoly(drawn, [(found['outline'] * 128).round().astype(int)], 1)
    seen = found['img'][..., 0] > 127
    assert found['flip'] and (seen & (drawn > 0)).sum() / (seen | (drawn > 0)).sum() > 0.9
    unflipped = (seen[:, ::-1] & (drawn > 0)).sum() / (seen[:, ::-1] | (drawn > 0)).sum()
    assert unflipped < 0.9


def test_a_mirrored_outline_is_encoded_clockwise_again() -> None:
    cells = run(instance(), CropObject(32), FlipObject(1.0), EncodeOutline())['vertices']
    decoded = VertexGrid().decode(cells)
    assert canonical(decoded) == pytest.approx(decoded)


def test_flipping_behind_encoding_is_refused() -> None:
    with pytest.raises(ValueError, match='FlipObject stands behind EncodeOutline'):
        run(instance(), CropObject(32), EncodeOutline(), FlipObject())


def test_about_a_share_prob_is_flipped() -> None:
    flips = [run(instance(), CropObject(8), FlipObject(0.3), seed=seed)['flip']
             for seed in range(200)]
    assert 40 < sum(flips) < 80


def test_colours_change_and_no_change_is_none() -> None:
    results = CropObject(16)(instance())
    before = results['img'].copy()
    same = run(dict(results), JitterColour(0, 0, 0))['img']
    changed = run(dict(results), JitterColour())['img']
    assert (same == before).all() and (changed != before).any() and changed.dtype == np.uint8


def test_brightness_scales_all_colours_alike() -> None:
    results = dict(img=np.full((4, 4, 3), (10, 20, 30), np.uint8))
    found = {tuple(run(dict(results), JitterColour(0.5, 0, 0), seed=seed)['img'][0, 0])
             for seed in range(9)}
    assert len(found) > 3
    for blue, green, red in found:
        assert abs(2 * int(blue) - green) <= 2 and abs(3 * int(blue) - red) <= 3


# --- cells


def test_the_cells_are_those_of_the_grid() -> None:
    found = run(instance(), CropObject(32), EncodeOutline(grid_size=28))
    assert (found['vertices'] == VertexGrid(28).encode(found['outline'])).all()
    assert polygon_iou([VertexGrid(28).decode(found['vertices']) * 280],
                       [found['outline'] * 280]) > 0.9


def test_the_authors_encoding_is_theirs() -> None:
    found = run(instance(), CropObject(32), EncodeOutline(encoding='authors'))
    assert (found['vertices'] == authors_cells(found['outline'])).all()


def test_a_shifted_crop_that_cuts_the_object_is_encoded_all_the_same() -> None:
    results = CropObject(32, grow=0)(instance(box=(20, 8, 40, 34)))
    assert results['outline'].min() < 0
    assert len(EncodeOutline()(results)['vertices']) >= 3


def test_unknown_encodings_and_too_few_vertices_are_refused() -> None:
    with pytest.raises(ValueError, match="encoding is 'rle': use 'cells' or 'authors'"):
        EncodeOutline(encoding='rle')
    with pytest.raises(ValueError, match='max_vertices is 2'):
        EncodeOutline(max_vertices=2)


def test_jittered_vertices_move_to_any_of_the_8_cells_around_inside_the_grid() -> None:
    cells = np.array([0, 7, 27, 63, 56])  # corners of an 8 x 8 grid, and one in the middle
    moves: List[set] = [set() for _ in cells]
    for seed in range(200):
        results = run(dict(vertices=cells, grid_size=8), JitterVertices(1.0), seed=seed)
        assert (results['vertices'] == cells).all()
        for found, cell, moved in zip(moves, cells, results['input_vertices']):
            found.add((moved // 8 - cell // 8, moved % 8 - cell % 8))
    around = {(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)} - {(0, 0)}
    assert moves[2] == around
    assert [len(found) for found in moves] == [3, 3, 8, 3, 3] and all(
        found <= around for found in moves)


def test_a_share_prob_of_the_vertices_is_jittered() -> None:
    results = dict(vertices=np.full(2000, 100), grid_size=28)
    moved = (run(results, JitterVertices(0.25))['input_vertices'] != 100).mean()
    assert 0.2 < moved < 0.3
    assert (run(results, JitterVertices(0.0))['input_vertices'] == 100).all()


# --- clips


@pytest.mark.parametrize('cover', [True, False])
@pytest.mark.parametrize('length', [3, 4, 5, 9, 17, 60])
@pytest.mark.parametrize('num_clips, min_len, max_len, min_overlap',
                         [(1, 5, 9, 0), (2, 5, 9, 2), (8, 6, 12, 0), (8, 6, 12, 6), (2, 1, 1, 0)])
def test_every_outline_has_all_clips_within_it(length: int, num_clips: int, min_len: int,
                                               max_len: int, min_overlap: int,
                                               cover: bool) -> None:
    step = SampleVertexClips(num_clips, min_len, max_len, min_overlap, cover)
    for seed in range(10):
        plan = run(dict(vertices=np.arange(length)), step, seed=seed)['clip_plan']
        assert plan.length == length and len(plan.clips) == num_clips
        assert all(clip.length >= min(min_len, length) for clip in plan.clips)
        needed = -(-(length + (num_clips - 1) * min_overlap) // num_clips)
        longest = max(max_len, needed) if cover else max_len
        assert all(clip.length <= longest for clip in plan.clips)
        if cover:
            assert len(plan.positions) == length
        if min_overlap:
            shared = [both.length for _, both in plan.pairs]
            assert len(shared) == num_clips - 1 and min(shared) >= min(min_overlap, length)


def test_contradictory_clip_options_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match='min_len=9 and max_len=5'):
        SampleVertexClips(2, 9, 5)
    with pytest.raises(ValueError, match='min_overlap is 6'):
        SampleVertexClips(2, 5, 9, min_overlap=6)


@pytest.mark.parametrize('make', [
    lambda: CropObject(0), lambda: CropObject(8, shift=1), lambda: CropObject(8, scale=-1),
    lambda: FlipObject(2), lambda: JitterVertices(-0.1), lambda: JitterColour(3)])
def test_options_out_of_range_are_refused(make: object) -> None:
    with pytest.raises(ValueError, match='must'):
        make()


# --- pack


def test_the_pack_holds_the_crop_the_cells_and_what_is_known() -> None:
    found = run(instance(instance_id=4, object_id='a', img_path='a.png'), CropObject(32),
                EncodeOutline(), JitterVertices(0.5), SampleVertexClips(2, 2, 3),
                PackPolygonInputs())
    inputs, sample = found['inputs'], found['data_samples']
    assert inputs.shape == (3, 32, 32) and inputs.dtype == torch.uint8
    assert sample.vertices.dtype == sample.input_vertices.dtype == torch.int64
    assert sample.clip_plan.length == len(sample.vertices) == len(sample.input_vertices)
    assert (sample.category, sample.object_id, sample.score) == (1, 'a', 1.0)
    assert sample.box == (12, 8, 40, 34) and len(sample.parts) == 2


def test_the_test_pack_has_no_cells_and_no_clips() -> None:
    sample = run(instance(), CropObject(32), PackPolygonInputs())['data_samples']
    assert all(key not in sample for key in ('vertices', 'input_vertices', 'clip_plan'))


@pytest.mark.parametrize('kind', ['grey', 'alpha', '16 bits', 'grey, 16 bits'])
def test_images_of_any_kind_are_shown_alike(tmp_path: Path, kind: str) -> None:
    grey = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) % 256
    image = dict([('grey', grey), ('alpha', np.dstack([grey] * 3 + [np.full_like(grey, 9)])),
                  ('16 bits', np.dstack([grey * 257] * 3)), ('grey, 16 bits', grey * 257)])[kind]
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, image if '16' in kind else image.astype(np.uint8))
    results = instance(img_path=path)
    del results['img']
    found = run(results, LoadObjectImage())['img']
    assert (found == grey[..., None]).all() and found.shape == (48, 64, 3)
