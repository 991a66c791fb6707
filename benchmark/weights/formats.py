"""Weights saved by TensorFlow and Caffe, read without either: both are plain bytes that run nothing.

Formats: protocol buffers' wire encoding; TensorFlow's tensor bundle (tensor_bundle.proto: an index, which is
a table as LevelDB's table_format.md describes it, and files of raw values); Caffe's caffe.proto.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = memoryview
Array = NDArray[Any]

TABLE = 0xDB4775248B80FB57  # the last eight bytes of a table
FOOTER = 48  # two handles, padded, and those eight
TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # types.proto: DT_FLOAT, DT_DOUBLE, DT_INT32, DT_INT64
BROKEN = (IndexError, KeyError, TypeError, struct.error)  # what reading on in damaged bytes may end in


def checkpoint(index: Path) -> dict[str, Array]:
    """Variables of a TensorFlow checkpoint by name, from its file `<prefix>.index`.

    Raises:
        ValueError: a file of it is missing, damaged or something else.
    """
    try:
        entries = {bytes(key).decode(): message(value) for key, value in table(Bytes(index.read_bytes()))}
        shards = entries.pop("")[1][0]
        end = f"-of-{shards:05d}"
        data = [Bytes(index.with_suffix(f".data-{k:05d}{end}").read_bytes()) for k in range(shards)]
        return {name: variable(entry, data) for name, entry in entries.items()}
    except OSError as error:
        raise ValueError(
            f"{error.filename}: {error.strerror}; it is part of the checkpoint {index}"
        ) from None
    except (*BROKEN, ValueError) as error:
        raise ValueError(f"{index}: no TensorFlow checkpoint, or a damaged one ({error})") from None


def caffemodel(path: Path) -> dict[str, list[Array]]:
    """Blobs of every layer that has some, by the layer's name.

    Raises:
        ValueError: the file is damaged or something else.
    """
    try:
        layers = [message(layer) for layer in message(Bytes(path.read_bytes()))[100]]
        return {
            bytes(layer[1][0]).decode(): [blob(message(b)) for b in layer[7]]
            for layer in layers
            if 7 in layer
        }
    except (*BROKEN, ValueError) as error:
        raise ValueError(f"{path}: no Caffe model, or a damaged one ({error})") from None


def variable(entry: dict[int, list[Any]], data: list[Bytes]) -> Array:
    """One tensor of a bundle: its type, shape, shard, offset and size are fields 1 to 5."""
    dims = message(entry[2][0]).get(2, []) if 2 in entry else []
    shape = [message(dim).get(1, [0])[0] for dim in dims]
    shard, offset, size = (entry.get(number, [0])[0] for number in (3, 4, 5))
    return np.frombuffer(part(data[shard], offset, size), TYPES[entry[1][0]]).reshape(shape).copy()


def blob(fields: dict[int, list[Any]]) -> Array:
    """One array of a Caffe layer: field 7 has its shape, 5 its values."""
    shape = list(varints(message(fields[7][0])[1][0]))
    return np.frombuffer(fields[5][0], "<f4").reshape(shape).copy()


def message(data: Bytes) -> dict[int, list[Any]]:
    """Values of a protocol buffer by field number: whole numbers, and bytes not yet looked into."""
    fields: dict[int, list[Any]] = {}
    place = 0
    while place < len(data):
        tag, place = varint(data, place)
        kind = tag & 7
        value: Any
        if kind == 0:
            value, place = varint(data, place)
        elif kind == 2:
            size, place = varint(data, place)
            value, place = part(data, place, size), place + size
        elif kind in (1, 5):  # fixed size
            size = 8 if kind == 1 else 4
            value, place = part(data, place, size), place + size
        else:
            raise ValueError(f"wire type {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def table(data: Bytes) -> Iterator[tuple[bytes, Bytes]]:
    """Keys and values of a table in key order."""
    if struct.unpack("<Q", part(data, len(data) - 8, 8))[0] != TABLE:
        raise ValueError("its last bytes are not a table's")
    _, place = handle(data, len(data) - FOOTER)  # of the meta index
    (start, size), _ = handle(data, place)
    for _, value in block(data, start, size):
        (start, size), _ = handle(value, 0)
        yield from block(data, start, size)


def block(data: Bytes, start: int, size: int) -> Iterator[tuple[bytes, Bytes]]:
    """Keys and values of one block of a table; a key goes on from the first letters of the one before."""
    if data[start + size] != 0:
        raise ValueError("compressed")
    inside = part(data, start, size)
    restarts = struct.unpack("<I", part(inside, size - 4, 4))[0]
    place, key = 0, b""
    while place < size - 4 * (restarts + 1):
        shared, place = varint(inside, place)
        more, place = varint(inside, place)
        length, place = varint(inside, place)
        key = key[:shared] + bytes(part(inside, place, more))
        yield key, part(inside, place + more, length)
        place += more + length


def handle(data: Bytes, place: int) -> tuple[tuple[int, int], int]:
    """Where a block starts and its size, and the place after the two."""
    start, place = varint(data, place)
    size, place = varint(data, place)
    return (start, size), place


def varint(data: Bytes, place: int) -> tuple[int, int]:
    r"""A whole number in groups of seven bits, lowest first, and the place after it.

    >>> varint(memoryview(b"\x96\x01"), 0)
    (150, 2)
    """
    value = shift = 0
    while True:
        byte = data[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def varints(data: Bytes) -> Iterator[int]:
    """All whole numbers that lie one after another."""
    place = 0
    while place < len(data):
        value, place = varint(data, place)
        yield value


def part(data: Bytes, start: int, size: int) -> Bytes:
    """So many bytes, all of them there."""
    if not 0 <= start <= start + size <= len(data):
        raise ValueError(f"it ends at byte {len(data)}")
    return data[start : start + size]
