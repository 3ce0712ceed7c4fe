#!/usr/bin/python3
"""Our files as an independent reader sees them (tools/readkith.py, written from docs/FORMAT.md): it
takes what kith wrote, and refuses what kith refuses, byte by byte of a small file."""
import os
import random
import struct
import subprocess
import sys
import tempfile

SOURCE = os.path.abspath(os.environ["KITH_SOURCE"])
KITH = os.path.abspath(os.environ["KITH"])
sys.path.insert(0, os.path.join(SOURCE, "tools"))
import readkith
import xxh3


def hashes_are_xxh3():
    """Published values; and the two ways of hashing long pieces agree."""
    assert xxh3.digest(b"") == 0x2D06800538D394C2
    assert xxh3.digest(b"abc") == 0x78AF5F94892F3950
    data = random.Random(1).randbytes(200000)
    assert xxh3.digests(data, 65536) == [xxh3.long_one(data[i:i + 65536])
                                         for i in range(0, len(data), 65536)]
    for n in range(241, 2200, 13):
        assert xxh3.digest(data[:n]) == xxh3.long_one(data[:n]), n


def build(folder, rows, *options):
    """An index of (id, label, 3 numbers) rows, and its bytes."""
    path = os.path.join(folder, "x.kith")
    with open(os.path.join(folder, "x.csv"), "w", encoding="utf-8") as out:
        out.write("id,label,a,b,c\n")
        out.writelines(f"{3 * i + 1},label {i % 7},{i},{i % 5}.5,{i % 3}\n" for i in range(rows))
    subprocess.run([KITH, "build", out.name, "-o", path, "--spec", "Flat", "--id-column", "id",
                    "--label-column", "label", *options], check=True, capture_output=True)
    with open(path, "rb") as file:
        return path, file.read()


def kith_takes(path):
    run = subprocess.run([KITH, "verify", path], capture_output=True, text=True)
    assert run.returncode in (0, 1), run
    return run.returncode == 0


def reader_takes(data):
    try:
        readkith.File(data)
        return True
    except ValueError as error:
        assert str(error), "a refusal without a sentence"
        return False


def what_kith_writes_is_taken(folder):
    for rows in (10, 3000, 40000):
        path, data = build(folder, rows)
        file = readkith.File(data)
        assert bytes(file.section("SPEC").data) == b"Flat"
        assert file.section("IDS").length == 8 * rows
        assert struct.unpack_from("<3q", file.section("IDS").data)[0] == 1
        assert kith_takes(path)
        if rows == 10:
            assert len(data) <= 16384, len(data)


def both_refuse_the_same(folder):
    path, data = build(folder, 12)
    dice = random.Random(7)
    damaged = [data[:n] for n in dice.sample(range(len(data)), 20)] + [data + b"\0"]
    for at in dice.sample(range(len(data)), 60):
        flipped = bytearray(data)
        flipped[at] ^= 1 << dice.randrange(8)
        damaged.append(bytes(flipped))
    for bytes_ in damaged:
        assert not reader_takes(bytes_)
        with open(path, "wb") as file:
            file.write(bytes_)
        assert not kith_takes(path)
    for at in range(len(data)):  # the reader alone, all of them
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        assert not reader_takes(bytes(flipped)), at


def golden_files_are_taken():
    folder = os.path.join(SOURCE, "tests", "golden")
    names = [name for name in os.listdir(folder) if name.endswith(".kith")]
    assert names
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            readkith.File(file.read())


def the_command_extracts(folder):
    path, data = build(folder, 12)
    tool = os.path.join(SOURCE, "tools", "readkith.py")
    run = subprocess.run([sys.executable, tool, path, "--extract", "IDS", "-"], check=True,
                         capture_output=True)
    assert run.stdout == struct.pack("<12q", *range(1, 36, 3))
    run = subprocess.run([sys.executable, tool, path], check=True, capture_output=True, text=True)
    assert f"{len(data)} bytes" in run.stdout and "CODE.0" in run.stdout
    with open(path, "wb") as file:
        file.write(data[:-1])
    run = subprocess.run([sys.executable, tool, path], capture_output=True, text=True)
    assert run.returncode == 1 and "should be" in run.stderr, run


def main():
    hashes_are_xxh3()
    golden_files_are_taken()
    with tempfile.TemporaryDirectory() as folder:
        what_kith_writes_is_taken(folder)
        both_refuse_the_same(folder)
        the_command_extracts(folder)


if __name__ == "__main__":
    main()
