"""Whether what is packed unpacks to more than there is room for, found out without making that room. Pure."""

import gzip
import io

import cramjam
import numpy as np

GZIP, LZ4, ZSTD = 1, 3, 4
# To how many bytes one byte can unpack at most. Snappy is not here: its 22 make no danger of what a broker takes.
GROWTH = {GZIP: 1032, LZ4: 255, ZSTD: 32_768}
PIECE_BYTES = 256 * 1024


class TooLargeError(Exception):
    """It unpacks to more than was wanted at most."""


def check_unpacking(codec: int, data: bytes, bytes_maximum: int) -> None:
    """Raises TooLargeError; for what can not be unpacked at all perhaps what the codec raises."""
    if len(data) * GROWTH.get(codec, 0) <= bytes_maximum:
        return
    if codec == GZIP:
        _check_gzip(data, bytes_maximum)
        return
    unpack = cramjam.lz4.decompress_into if codec == LZ4 else cramjam.zstd.decompress_into
    room = np.empty(bytes_maximum, np.uint8)  # takes memory only as far as it is written
    try:
        unpack(data, room)
    except cramjam.DecompressionError as error:
        if "whole buffer" not in str(error):
            raise
        raise TooLargeError(_words(data, bytes_maximum)) from error


def _check_gzip(data: bytes, bytes_maximum: int) -> None:
    left = bytes_maximum
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        while piece := file.read(PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                raise TooLargeError(_words(data, bytes_maximum))


def _words(data: bytes, bytes_maximum: int) -> str:
    return f"{len(data)} bytes unpack to more than {bytes_maximum}"
