#!/usr/bin/python3
"""Progress is drawn on a terminal, wiped before anything else is said, and nowhere else."""
import os
import pty
import subprocess
import sys
import tempfile
import time

KITH = os.path.abspath(os.environ["KITH"])


def build(term, slow, *options):
    """What a build of rows that come slowly writes to stderr, which is a terminal."""
    ours, theirs = pty.openpty()
    env = dict(os.environ, TERM=term, LC_ALL="C.UTF-8")
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.Popen([KITH, "build", "-", "-o", folder + "/x.kith", *options], env=env,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs)
        run.stdin.write(b"x,y\n")
        for i in range(16 if slow else 1):
            run.stdin.write(b"%d,0.5\n" % i * 70000)  # more rows than a batch
            run.stdin.flush()
            if slow:
                time.sleep(0.1)
        out = run.communicate()[0]
        code = run.returncode
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 65536):
            said += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert code == 0, said
    assert out == b"", out
    return said.decode()


def main():
    drawn = build("xterm", True)
    assert "\r\x1b[K" in drawn and "/s" in drawn, repr(drawn)
    last = drawn.rsplit("\x1b[K", 1)[1]
    assert "1120000 rows" in last and "/x.kith" in last, repr(last)  # on a clean line
    for said in (build("dumb", True), build("xterm", False)):
        assert "\x1b" not in said and "rows" in said, repr(said)
    assert build("xterm", True, "--quiet") == ""


if __name__ == "__main__":
    sys.exit(main())
