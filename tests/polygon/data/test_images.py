"""Images of all kinds are read alike, and what is no image is refused with its name."""
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from cbm_plugin.polygon.data.images import image_size, read_image

COLOURS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def written(file: Path, image: np.ndarray) -> str:
    assert cv2.imwrite(str(file), image)
    return str(file)


def test_colours_are_read_as_bgr(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(written(tmp_path / 'a.png', COLOURS)), COLOURS)


def test_grey_becomes_three_channels(tmp_path: Path) -> None:
    image = read_image(written(tmp_path / 'a.png', COLOURS[:, :, 0]))
    np.testing.assert_array_equal(image, COLOURS[:, :, :1].repeat(3, axis=2))


def test_of_16_bits_the_upper_8_are_kept(tmp_path: Path) -> None:
    image = read_image(written(tmp_path / 'a.png', COLOURS.astype(np.uint16) * 257))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, COLOURS)


def test_alpha_is_left_out(tmp_path: Path) -> None:
    with_alpha = np.concatenate([COLOURS, COLOURS[:, :, :1]], axis=2)
    np.testing.assert_array_equal(read_image(written(tmp_path / 'a.png', with_alpha)), COLOURS)


def test_paths_may_have_any_letters(tmp_path: Path) -> None:
    data = cv2.imencode('.png', COLOURS)[1].tobytes()
    (tmp_path / 'früchte 果.png').write_bytes(data)
    np.testing.assert_array_equal(read_image(str(tmp_path / 'früchte 果.png')), COLOURS)


def test_an_image_that_changed_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / 'a.png'
    first = read_image(written(file, COLOURS))
    assert read_image(str(file)) is first and not first.flags.writeable
    written(file, COLOURS[:20])
    assert read_image(str(file)).shape == (20, 60, 3)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    for read in (read_image, image_size):
        with pytest.raises(FileNotFoundError, match='nowhere.png'):
            read(str(tmp_path / 'nowhere.png'))


@pytest.mark.parametrize('content', [b'', b'no image at all', b'\xff\xd8\xff\xe0 neither'])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / 'text.jpg').write_bytes(content)
    with pytest.raises(ValueError, match='text.jpg'):
        read_image(str(tmp_path / 'text.jpg'))


@pytest.mark.parametrize('ending', ['.jpg', '.png'])
@pytest.mark.parametrize('share', [0.5, 0.98])
def test_an_image_that_is_cut_off_is_refused(tmp_path: Path, ending: str, share: float) -> None:
    data = cv2.imencode(ending, COLOURS)[1].tobytes()
    file = tmp_path / f'half{ending}'
    file.write_bytes(data[:int(share * len(data))])
    with pytest.raises(ValueError, match=f'half{ending}'):
        read_image(str(file))


def test_whole_jpegs_are_read_even_with_something_behind_their_end(tmp_path: Path) -> None:
    file = tmp_path / 'a.jpg'
    data = cv2.imencode('.jpg', COLOURS)[1].tobytes()
    for behind in (b'', b'\0' * 100):
        file.write_bytes(data + behind)
        assert read_image(str(file)).shape == COLOURS.shape


@pytest.mark.parametrize(('width', 'height'), [(10_001, 10_000), (60_000, 60_000)])
def test_too_large_an_image_is_refused_by_its_header(tmp_path: Path, width, height) -> None:
    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    chunks = b''.join(struct.pack('>I', len(data)) + kind + data
                      + struct.pack('>I', zlib.crc32(kind + data))
                      for kind, data in ((b'IHDR', header), (b'IDAT', b''), (b'IEND', b'')))
    (tmp_path / 'huge.png').write_bytes(b'\x89PNG\r\n\x1a\n' + chunks)
    with pytest.raises(ValueError, match='huge.png is too large.*scale it down'):
        read_image(str(tmp_path / 'huge.png'))


def test_the_size_is_known_without_decoding(tmp_path: Path) -> None:
    assert image_size(written(tmp_path / 'a.jpg', COLOURS)) == (60, 40)
