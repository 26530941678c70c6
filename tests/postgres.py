"""A PostgreSQL server of the tests, from Debian's package; as root it runs as another user, as it must."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep, time

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def program(name: str) -> str | None:
    return shutil.which(name) or next((str(folder / name) for folder in FOLDERS if (folder / name).exists()), None)


INSTALLED = program("initdb") is not None and program("postgres") is not None


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yields the address of a server whose files are gone afterwards."""
    initdb, postgres = program("initdb"), program("postgres")
    assert initdb is not None
    assert postgres is not None
    with TemporaryDirectory(prefix="geoships-postgres-") as folder:
        options: dict[str, object] = {"cwd": folder, "env": {**os.environ, "HOME": folder, "LC_ALL": "C.UTF-8"}}
        if os.getuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(folder, user.pw_uid, user.pw_gid)
            options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        made = [initdb, "-D", f"{folder}/db", "-U", "ships", "--auth=trust", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, **options)  # type: ignore[call-overload]
        settings = ["-c", "listen_addresses=", "-c", "fsync=off"]
        server = subprocess.Popen(
            [postgres, "-D", f"{folder}/db", "-k", folder, *settings],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options,
        )  # type: ignore[call-overload]  # fmt: skip
        ready = [program("pg_isready") or "pg_isready", "-h", folder]
        try:
            until = time() + 20
            while not (Path(folder) / ".s.PGSQL.5432").exists():
                assert server.poll() is None
                assert time() < until
                sleep(0.05)
            while subprocess.run(ready, capture_output=True, check=False).returncode:
                assert time() < until
                sleep(0.05)
            yield f"postgresql:///postgres?host={folder}&user=ships"
        finally:
            server.terminate()
            server.wait()
