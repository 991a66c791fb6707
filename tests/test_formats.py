"""Checkpoints of TensorFlow and models of Caffe, as those frameworks wrote them, and as nobody would."""

import base64
import zlib

import numpy as np
import pytest

from benchmark.weights.formats import caffemodel, checkpoint, message, varints

# Saver of TensorFlow 2.21.0 on six variables: the files .index and .data-00000-of-00001, compressed.
INDEX = (
    "c-muNVB=tvV&Y(A;NT8REXqtw%1Py57Gls~G5v2V;Kabqo0M9TXc%9RU!GdT!6?L_zyg%|`}+8O24TVU_`K8-{nWf<!+1meq|C(P"
    ")MB6#79l1MCIt=+4%16&vOK)(vgN6n=@}&;DFKia5Hmw*CItbF1k-!fFE4X*2pXXp!K_fA!DGsIq@tgJMX)?GC6$8{YIKc;fT_#J"
    "%XJJuzz8A~=CFssIR`#1+`z!dT)}XJ5iXXv{%F)mMviNY{0sy^`0s{pl~VWH0BD#u&;"
)
DATA = (
    "c-s5%i=81YEzO>RfdPmY><7{es-8l2s-BbVw&&gk(n9umx6SOg=SBnN8|;DN_MVfL0L8Z1Pf|Gv6u)hMd)r%(euqgaoDM+s4%>63"
    "9XuzgINaW*>j2d20F(mCc>?8v9P)*ltt5E+eSzv5Kz1=OGBEu84*>w2eJ~#"
)
# protobuf 7.36.2 with caffe.proto of zhjwustc/cvpr18_rnn_deblur_matcaffe @3e470fe: two layers have blobs.
CAFFE = (
    "c-rG)F3GQ4#3szel9E`GD8%ZSS5R7_1m-Mao5;w;o}8aoW*BcM#O(}Z<mZ%@Waj5df#sE8a#lfF9t;c(`xzJ<fS3V@8}>1PL4zHT"
    "um_3*aRU%90OA8c`~Zj<92gh`fLH;D4S?7Ihyxs~*tl4j7@3)^__a77`llVXV&-CGy2Qr9!KA>vi0vRyMR{gQst}K7US4WZKv8~5"
    "X>y6xDmJYJY!K5&@hBd}*sv8V7c=7tMgYI>_t5"
)


def unpacked(text):
    """The bytes of a file kept in this one."""
    return zlib.decompress(base64.b85decode(text))


@pytest.fixture
def index(tmp_path):
    """A checkpoint as TensorFlow wrote it."""
    path = tmp_path / "deblur.model-523000.index"
    path.write_bytes(unpacked(INDEX))
    path.with_suffix(".data-00000-of-00001").write_bytes(unpacked(DATA))
    return path


def test_a_checkpoint_has_what_tensorflow_wrote(index):
    """Names, shapes, types and values of every variable, scalars included."""
    written = {
        "g_net/enc1_1/weights": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2) / np.float32(7),
        "g_net/enc1_1/biases": np.array([0.5, -1.25], np.float32),
        "g_net/enc1_2/biases": np.array([1e-3, 3e8, -0.0], np.float32),
        "beta1_power": np.float32(0.9),
        "Variable": np.int32(523000),
        "wide": np.array([2**40, -3]),
    }

    found = checkpoint(index)

    assert found.keys() == written.keys()
    for name, values in written.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


def test_a_model_has_what_caffe_wrote(tmp_path):
    """Blobs of the layers that have some, in their shapes."""
    path = tmp_path / "toy.caffemodel"
    path.write_bytes(unpacked(CAFFE))

    found = caffemodel(path)

    assert list(found) == ["conv1_1", "wide"]
    weight, bias = found["conv1_1"]
    np.testing.assert_array_equal(weight, (np.arange(18, dtype=np.float32) / 4 - 1).reshape(2, 1, 3, 3))
    np.testing.assert_array_equal(bias, np.array([0.25, -300.0], np.float32))
    np.testing.assert_array_equal(found["wide"][0], np.full((1, 200), 1.5, np.float32))


def test_a_checkpoint_without_its_values_says_what_is_missing(index):
    """Index and values are two files; one alone is of no use."""
    index.with_suffix(".data-00000-of-00001").unlink()

    with pytest.raises(ValueError, match=r"data-00000-of-00001: No such .*; it is part of the checkpoint"):
        checkpoint(index)


def damaged(whole):
    """The file cut short in many places, with single bytes changed, or of something else."""
    yield from (whole[:n] for n in range(0, len(whole), 7))
    for n in range(0, len(whole), 5):
        yield whole[:n] + bytes([whole[n] ^ 0xFF]) + whole[n + 1 :]
    yield b"<!DOCTYPE html><title>Sign in</title>" * 9
    yield b"\xff" * 200
    yield b""


def test_damaged_files_are_errors_of_one_line(index, tmp_path):
    """Whatever the damage: either still plain arrays, or a ValueError that names the file; and soon."""
    data = index.with_suffix(".data-00000-of-00001")
    errors = []
    for read, path, whole in (
        (checkpoint, index, unpacked(INDEX)),
        (checkpoint, data, unpacked(DATA)),
        (caffemodel, tmp_path / "toy.caffemodel", unpacked(CAFFE)),
    ):
        for content in damaged(whole):
            path.write_bytes(content)
            try:
                read(index if path == data else path)
            except ValueError as error:
                errors.append(str(error))
        path.write_bytes(whole)
    assert len(errors) > 100
    assert all(str(tmp_path) in error and "\n" not in error for error in errors)


def test_the_wire_format():
    """The examples of protocol buffers' own description, and numbers that never end."""
    assert message(memoryview(b"\x08\x96\x01")) == {1: [150]}
    assert bytes(message(memoryview(b"\x12\x07testing"))[2][0]) == b"testing"
    assert list(varints(memoryview(b"\x03\x8e\x02\x9e\xa7\x05"))) == [3, 270, 86942]
    with pytest.raises(ValueError, match="more than 64 bits"):
        message(memoryview(b"\xff" * 99))
    with pytest.raises(ValueError, match="ends at byte 3"):
        message(memoryview(b"\x12\x07t"))
