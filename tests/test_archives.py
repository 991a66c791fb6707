"""Archives: a folder appears complete, or one line gives the reason; and the next run recovers."""

import io
import resource
import tarfile
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmark.data import archives
from benchmark.data.archives import RefusedError
from benchmark.data.fetch import File
from tests.hostile import BODY, PAGE, listing, serve


def zipped(*members, compression=zipfile.ZIP_DEFLATED):
    """Build a zip of (name, contents) or (name, contents, Unix mode)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names are meant
        for name, contents, *mode in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            info.external_attr = (mode[0] if mode else 0) << 16
            archive.writestr(info, contents)
    return out.getvalue()


def tarred(*members, mode="w"):
    """Build a tar of (name, contents), (name, "", type) or (name, "", type, target)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, contents, *kind in members:
            info = tarfile.TarInfo(name)
            info.size = len(contents)
            info.type, info.linkname = (*kind, "")[:2] if kind else (tarfile.REGTYPE, "")
            archive.addfile(info, io.BytesIO(contents))
    return out.getvalue()


def patched(data, *changes):
    """Overwrite bytes at (offset, bytes)."""
    out = bytearray(data)
    for offset, new in changes:
        out[offset : offset + len(new)] = new
    return bytes(out)


def resized(header, size):
    """Write another size, in base 256, and its check sum into a tar header's block."""
    block = patched(header, (124, b"\xff" * 4 + size.to_bytes(8, "big", signed=True)), (148, b" " * 8))
    if size >= 0:
        block = patched(block, (124, b"\x80\0\0\0"))
    return patched(block, (148, b"%06o\0 " % sum(block)))


ONE = zipped(("a", b"x" * 100))
CENTRAL = ONE.index(b"PK\x01\x02")
TAR = tarred(("a/b", b"x" * 512), ("a/c", b"y" * 512))
SQUEEZED = tarred(("a/b", BODY), mode="w:gz")
LONG_NAME = tarred(("n", b"name", tarfile.GNUTYPE_LONGNAME))
BOMB = bytes(20 << 20)
STORED = zipped(("a", BODY), compression=zipfile.ZIP_STORED)
ARCHIVES = {
    "up.zip": (zipped(("a/../../b", b"x")), "'a/../../b' leads out of the folder"),
    "root.zip": (zipped(("/b", b"x")), "'/b' leads out"),
    "drive.zip": (zipped(("C:b", b"x")), "'C:b' leads out"),
    "backslash.zip": (zipped(("..\\b", b"x")), r"'..\\\\b' leads out"),
    "bell.zip": (zipped(("a\nb", b"x")), r"'a\\nb' has characters"),
    "link.zip": (zipped(("a", b"/etc", 0o120777), ("a/b", b"x")), "'a' is neither a file nor a folder"),
    "twice.zip": (zipped(("a", b"x"), ("a", b"y")), "'a' occurs twice"),
    "case.zip": (zipped(("Straße", b"x"), ("STRASSE", b"y")), "'STRASSE' occurs twice"),
    "accent.zip": (zipped(("\u00e9", b"x"), ("e\u0301", b"y")), "occurs twice"),
    "both.zip": (zipped(("a", b"x"), ("a/b", b"y")), "Not a directory|File exists"),
    "bomb.zip": (zipped(("a", BOMB)), "'a' has 20971520 bytes, which makes more"),
    "bombs.zip": (zipped(*[(str(i), BOMB[: 5 << 20]) for i in range(4)]), "'3' has 5242880 bytes, which"),
    "modest.zip": (patched(ONE, (22, b"\7"), (CENTRAL + 24, b"\7")), "Bad CRC-32"),
    "boastful.zip": (patched(ONE, (22, b"\xff"), (CENTRAL + 24, b"\xff")), "'a' has 100 bytes, not 255"),
    "secret.zip": (patched(ONE, (6, b"\1"), (CENTRAL + 8, b"\1")), "'a' is encrypted"),
    "strange.zip": (patched(ONE, (8, b"\x63"), (CENTRAL + 10, b"\x63")), "method 99; allowed: 0, 8"),
    "squeezed.zip": (zipped(("a", BOMB), compression=zipfile.ZIP_BZIP2), "'a' is packed by method 12"),
    "cut.zip": (ONE[:-20], "not a zip file"),
    "bits.zip": (STORED.replace(b"\x07\x08", b"\x07\x09", 1), "CRC"),
    "nothing.zip": (zipped(("a/", b"")), "holds no file"),
    "up.tar": (tarred(("../b", b"x")), "'../b' leads out"),
    "root.tar": (tarred(("/b", b"x")), "'/b' leads out"),
    "link.tar": (tarred(("a", b"", tarfile.SYMTYPE, "/etc")), "'a' is neither"),
    "near.tar": (tarred(("a", b"", tarfile.SYMTYPE, "b"), ("b", b"x")), "'a' is neither"),
    "hard.tar": (tarred(("a", b"x"), ("b", b"", tarfile.LNKTYPE, "a")), "'b' is neither"),
    "device.tar": (tarred(("a", b"", tarfile.CHRTYPE)), "'a' is neither"),
    "pipe.tar": (tarred(("a", b"", tarfile.FIFOTYPE)), "'a' is neither"),
    "twice.tar": (tarred(("a", b"x"), ("./a", b"y")), "'./a' occurs twice"),
    "bomb.tar.gz": (tarred(("a", BOMB), mode="w:gz"), "'a' has 20971520 bytes, which makes more"),
    "header.tar": (resized(LONG_NAME[:512], 1 << 40) + LONG_NAME[512:], "a header of 1099511627776 bytes"),
    "back.tar": (resized(TAR[:512], -1024) + TAR[512:], "'a/b' has -1024 bytes|bad"),
    "cut.tar": (TAR[:1024], "is cut off"),
    "bitten.tar": (TAR[:900], "unexpected end of data"),
    "cut.tar.gz": (SQUEEZED[:-9], "ended before the end-of-stream"),
    "bits.tar.gz": (patched(SQUEEZED, (len(SQUEEZED) - 6, b"\0\0")), "CRC check failed"),
    "cut.tar.xz": (tarred(("a", BODY), mode="w:xz")[:-30], "ended before the end-of-stream"),
    "cut.tar.bz2": (tarred(("a", BODY), mode="w:bz2")[:-30], "ended before the end-of-stream"),
    "page.zip": (PAGE, "not|truncated|header"),
    "nothing.tar": (b"", "empty|cut off"),
}
FILES = (("set/a/1.png", BODY), ("set/b/1.png", b"x"))


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_hostile_archive_is_refused(name, tmp_path):
    """One line names it and the reason; nothing of it is written; a good one in its place is unpacked."""
    data, message = ARCHIVES[name]
    (tmp_path / "in").mkdir()
    archive = tmp_path / "in" / name
    archive.write_bytes(data)

    with pytest.raises(RefusedError, match=message) as error:
        archives.unpack(archive, tmp_path / "out" / "set")

    assert str(error.value).startswith(f"{archive}: no good archive: ")
    assert "\n" not in str(error.value)
    assert listing(tmp_path) == ["in", f"in/{name}", "out"]

    archive.write_bytes(zipped(*FILES))
    archives.unpack(archive, tmp_path / "out" / "set")
    assert (tmp_path / "out" / "set" / "a" / "1.png").read_bytes() == BODY


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_archives_of_all_kinds(mode, tmp_path):
    """A top folder of the folder's own name is not repeated; what macOS adds is left out."""
    files = (*FILES, ("__MACOSX/set/._a", b"fork"))
    data = zipped(*files) if mode == "zip" else tarred(*files, mode=mode)
    (tmp_path / "archive").write_bytes(data)

    archives.unpack(tmp_path / "archive", tmp_path / "set")

    assert listing(tmp_path / "set") == ["a", "a/1.png", "b", "b/1.png"]
    assert (tmp_path / "set" / "a" / "1.png").read_bytes() == BODY


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("train/1 test/1", "test test/1 train train/1"),
        ("other/1", "other other/1"),
        ("set/1 readme", "readme set set/1"),
        ("set", "set"),
        ("./set/ ./set/./1", "1"),
    ],
)
def test_layouts(names, expected, tmp_path):
    """A single top folder of that name is not repeated; anything else stays as it is."""
    members = [(name, b"" if name.endswith("/") else b"x") for name in names.split()]
    (tmp_path / "a.zip").write_bytes(zipped(*members))

    archives.unpack(tmp_path / "a.zip", tmp_path / "set")

    assert listing(tmp_path / "set") == expected.split()


def test_an_existing_folder_stays(tmp_path):
    """What a killed process left beside it is removed."""
    (tmp_path / "a.zip").write_bytes(zipped(*FILES))
    (tmp_path / "set.part" / "half").mkdir(parents=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: archives.unpack(tmp_path / "a.zip", tmp_path / "set"), range(4)))
    (tmp_path / "set" / "mine").touch()
    archives.unpack(tmp_path / "a.zip", tmp_path / "set")

    assert listing(tmp_path) == ["a.zip", "set", "set/a", "set/a/1.png", "set/b", "set/b/1.png", "set/mine"]


def test_members_are_counted(monkeypatch, tmp_path):
    """Very many small files are a bomb as well."""
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1)
    (tmp_path / "a.zip").write_bytes(zipped(*FILES))

    with pytest.raises(RefusedError, match=r"a.zip: .*has more than 1 members"):
        archives.unpack(tmp_path / "a.zip", tmp_path / "set")


def test_a_full_disk(tmp_path):
    """The archive is not to blame, and nothing is left; nor is one that does not exist."""
    with pytest.raises(ValueError, match=r"a.zip: .*No such file"):
        archives.unpack(tmp_path / "a.zip", tmp_path / "set")
    (tmp_path / "a.zip").write_bytes(zipped(*FILES))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(BODY) // 2, hard))
        with pytest.raises(ValueError, match=r"a.zip: .*File too large") as error:
            archives.unpack(tmp_path / "a.zip", tmp_path / "set")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert type(error.value) is ValueError
    assert listing(tmp_path) == ["a.zip"]


def test_a_first_download_that_is_no_archive_is_forgotten(monkeypatch, tmp_path):
    """Otherwise the checksum of the bad file would refuse the good one."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as web:
        web.times, file = 0, File((web.url("right", "set.zip"),), "set.zip")
        arguments = file, tmp_path / "downloads", tmp_path / "set"
        web.body = ARCHIVES["up.zip"][0]
        with pytest.raises(RefusedError, match=r"set.zip: .*'a/../../b' leads out of the folder"):
            archives.download_and_unpack(*arguments)
        assert listing(tmp_path) == ["downloads", "downloads/sums.json"]

        web.body = zipped(*FILES)
        assert archives.download_and_unpack(*arguments) == tmp_path / "set"
        requested = len(web.requests)
        assert archives.download_and_unpack(*arguments) == tmp_path / "set"
        assert len(web.requests) == requested

    assert listing(tmp_path / "set") == ["a", "a/1.png", "b", "b/1.png"]
