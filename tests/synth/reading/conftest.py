"""A PostgreSQL of one's own, from Debian's packages; skipped where there is none."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@pytest.fixture(scope="session")
def postgres():
    """URL of an empty database that goes away with the tests; reached through a socket in its folder, by no network."""
    folder = next((f for f in FOLDERS if (f / "initdb").is_file()), None)
    if folder is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    home = Path(tempfile.mkdtemp(prefix="synth-pg-"))
    user = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(home, "nobody")
        user = {"user": "nobody", "env": {**os.environ, "HOME": str(home)}}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"} | user
    subprocess.run([folder / "initdb", "-D", home / "data", "-U", "tester", "-A", "trust", "--no-sync"], check=True, **quiet)
    options = ["-D", home / "data", "-k", home, "-c", "listen_addresses=", "-c", "fsync=off"]
    server = subprocess.Popen([folder / "postgres", *options], **quiet)
    try:
        for _ in range(300):
            ready = [folder / "pg_isready", "-h", home, "-U", "tester", "-d", "postgres"]
            if subprocess.run(ready, check=False, **quiet).returncode == 0:
                break
            time.sleep(0.1)
        yield f"postgresql://tester:secret@/postgres?host={home}"
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(home, ignore_errors=True)
