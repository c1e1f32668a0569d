"""Files of the idx format: real ones are read, and each kind of damage is named."""
import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from cbm_plugin.prediction.data.idx_file import read_idx

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
CONTENT = struct.pack('>4I', 2051, *IMAGES.shape) + IMAGES.tobytes()


def written(folder: Path, content: bytes, name: str = 'images.gz') -> str:
    (folder / name).write_bytes(gzip.compress(content) if name.endswith('.gz') else content)
    return str(folder / name)


@pytest.mark.parametrize('name', ['images.gz', 'images-idx3-ubyte'])
def test_images_are_read_packed_and_unpacked(tmp_path: Path, name: str) -> None:
    found = read_idx(written(tmp_path, CONTENT, name))
    assert found.dtype == np.uint8 and (found == IMAGES).all() and found.shape == IMAGES.shape


@pytest.mark.parametrize('name', ['images.gz', 'images-idx3-ubyte'])
@pytest.mark.parametrize('content, found, expected', [
    (CONTENT[:-7], '53 bytes of pixels', '3 images of 4 x 5, that is 60'),
    (CONTENT[:10], 'ends after 10', '16 bytes'),
    (b'', "bytes ''", '00000803'),
    (CONTENT + b'x', 'goes on after the 60 bytes', '3 images of 4 x 5'),
    (struct.pack('>2I', 2049, 3) + b'abc', 'labels .*2049', '2051.*images-idx3'),
    (struct.pack('>4I', 2052, 3, 4, 5), '00000804', '00000803'),
    (pickle.dumps(IMAGES), '8005|8004', '00000803'),
    (struct.pack('>4I', 2051, 0, 4, 5), 'no pixel', '0 images of 4 x 5'),
    (struct.pack('>4I', 2051, 2**31, 2**15, 2**15) + b'abc', '3 bytes of pixels', '32768'),
], ids=['cut pixels', 'cut header', 'empty', 'trailing', 'labels', 'other axes', 'pickle',
        'no image', 'promises too much'])
def test_wrong_content_is_named_with_what_was_expected(
        tmp_path: Path, name: str, content: bytes, found: str, expected: str) -> None:
    path = written(tmp_path, content, name)
    with pytest.raises(ValueError) as error:
        read_idx(path)
    error.match(found)
    error.match(expected)
    error.match(path)
    error.match('download it again|use the file')


def test_a_cut_download_is_named(tmp_path: Path) -> None:
    path = Path(written(tmp_path, CONTENT))
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(ValueError, match='images.gz, of .* ends before its gzip stream does'):
        read_idx(str(path))


@pytest.mark.parametrize('place', [-6, 30])
def test_flipped_bits_are_found_by_gzip(tmp_path: Path, place: int) -> None:
    path = Path(written(tmp_path, CONTENT))
    content = bytearray(path.read_bytes())
    content[place] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match='images.gz'):
        read_idx(str(path))


def test_what_is_called_gz_and_is_not_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'images.gz'
    path.write_bytes(b'<!DOCTYPE html>')
    with pytest.raises(ValueError, match="images.gz begins with the bytes '3c21444f'.*take .gz"):
        read_idx(str(path))


def test_a_missing_file_is_named_with_the_option_to_set(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='none.gz does not exist: set data_root'):
        read_idx(str(tmp_path / 'none.gz'))
