"""Read weights saved by TensorFlow and Caffe without either framework; the files contain no code.

Formats: protocol buffers' wire encoding; TensorFlow's tensor bundle (tensor_bundle.proto: an index, which is
a table of LevelDB's table_format.md, and files of raw values); Caffe's caffe.proto.
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
FOOTER = 48  # two handles, padded, and these eight
TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # types.proto: DT_FLOAT, DT_DOUBLE, DT_INT32, DT_INT64
BROKEN = (IndexError, KeyError, TypeError, struct.error)  # raised by the parser on damaged bytes


def checkpoint(index: Path) -> dict[str, Array]:
    """Read the variables of a TensorFlow checkpoint by name, from its file `<prefix>.index`.

    Raises:
        ValueError: one of its files is missing, damaged or of another format.
    """
    try:
        entries = {bytes(key).decode(): message(value) for key, value in table(Bytes(index.read_bytes()))}
        shards = entries.pop("")[1][0]
        end = f"-of-{shards:05d}"
        data = [Bytes(index.with_suffix(f".data-{k:05d}{end}").read_bytes()) for k in range(shards)]
        return {name: variable(entry, data) for name, entry in entries.items()}
    except OSError as error:
        reason = f"{error.strerror}; it is part of the checkpoint {index}"
        raise ValueError(f"{error.filename}: {reason}") from None
    except (*BROKEN, ValueError) as error:
        raise ValueError(f"{index}: not a TensorFlow checkpoint, or damaged ({error})") from None


def caffemodel(path: Path) -> dict[str, list[Array]]:
    """Read the arrays of every layer of a Caffe model that has any, by the layer's name.

    Raises:
        ValueError: the file is damaged or of another format.
    """
    try:
        layers = [message(layer) for layer in message(Bytes(path.read_bytes()))[100]]
        filled = [layer for layer in layers if 7 in layer]
        return {bytes(layer[1][0]).decode(): [blob(message(b)) for b in layer[7]] for layer in filled}
    except (*BROKEN, ValueError) as error:
        raise ValueError(f"{path}: not a Caffe model, or damaged ({error})") from None


def variable(entry: dict[int, list[Any]], data: list[Bytes]) -> Array:
    """Read one tensor of a bundle; type, shape, shard, offset and size are fields 1 to 5 of its entry."""
    dims = message(entry[2][0]).get(2, []) if 2 in entry else []
    shape = [message(dim).get(1, [0])[0] for dim in dims]
    shard, offset, size = (entry.get(number, [0])[0] for number in (3, 4, 5))
    return np.frombuffer(part(data[shard], offset, size), TYPES[entry[1][0]]).reshape(shape).copy()


def blob(fields: dict[int, list[Any]]) -> Array:
    """Read one array of a Caffe layer; field 7 has its shape, field 5 its values."""
    shape = list(varints(message(fields[7][0])[1][0]))
    return np.frombuffer(fields[5][0], "<f4").reshape(shape).copy()


def message(data: Bytes) -> dict[int, list[Any]]:
    """Parse a protocol buffer: values by field number, integers or unparsed bytes."""
    fields: dict[int, list[Any]] = {}
    offset = 0
    while offset < len(data):
        tag, offset = varint(data, offset)
        kind = tag & 7
        value: Any
        if kind == 0:
            value, offset = varint(data, offset)
        elif kind == 2:
            size, offset = varint(data, offset)
            value, offset = part(data, offset, size), offset + size
        elif kind in (1, 5):  # fixed size
            size = 8 if kind == 1 else 4
            value, offset = part(data, offset, size), offset + size
        else:
            raise ValueError(f"wire type {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def table(data: Bytes) -> Iterator[tuple[bytes, Bytes]]:
    """Iterate over keys and values of a table in key order."""
    if struct.unpack("<Q", part(data, len(data) - 8, 8))[0] != TABLE:
        raise ValueError("its last bytes are not a table's")
    _, offset = handle(data, len(data) - FOOTER)  # after the handle of the meta index
    (start, size), _ = handle(data, offset)
    for _, value in block(data, start, size):
        (start, size), _ = handle(value, 0)
        yield from block(data, start, size)


def block(data: Bytes, start: int, size: int) -> Iterator[tuple[bytes, Bytes]]:
    """Iterate over keys and values of one block of a table; keys share a prefix with the previous key."""
    if data[start + size] != 0:
        raise ValueError("compressed")
    inside = part(data, start, size)
    restarts = struct.unpack("<I", part(inside, size - 4, 4))[0]
    offset, key = 0, b""
    while offset < size - 4 * (restarts + 1):
        shared, offset = varint(inside, offset)
        more, offset = varint(inside, offset)
        length, offset = varint(inside, offset)
        key = key[:shared] + bytes(part(inside, offset, more))
        yield key, part(inside, offset + more, length)
        offset += more + length


def handle(data: Bytes, offset: int) -> tuple[tuple[int, int], int]:
    """Read the start and the size of a block, and the offset after them."""
    start, offset = varint(data, offset)
    size, offset = varint(data, offset)
    return (start, size), offset


def varint(data: Bytes, offset: int) -> tuple[int, int]:
    r"""Read an integer stored in groups of seven bits, lowest first, and the offset after it.

    >>> varint(memoryview(b"\x96\x01"), 0)
    (150, 2)
    """
    value = shift = 0
    while True:
        byte = data[offset]
        value, shift, offset = value | (byte & 127) << shift, shift + 7, offset + 1
        if byte < 128:
            return value, offset
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def varints(data: Bytes) -> Iterator[int]:
    """Iterate over consecutive integers."""
    offset = 0
    while offset < len(data):
        value, offset = varint(data, offset)
        yield value


def part(data: Bytes, start: int, size: int) -> Bytes:
    """Return `size` bytes from `start` on; a ValueError where the data end before."""
    if not 0 <= start <= start + size <= len(data):
        raise ValueError(f"it ends at byte {len(data)}")
    return data[start : start + size]
