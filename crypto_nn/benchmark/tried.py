"""How many versions were ever tried on a universe: what luck had to choose from."""

from crypto_nn.store.lake import Lake


def num_tried(lake: Lake, universe: str) -> int:
    """Versions that were trained, and trials of searches, of a universe; each training once.

    A trial that was ended early or failed was looked at too. The best trial of a search is also
    a checkpoint: its version is counted once.
    """
    where = {"universe": universe}
    versions: set[str] = set()
    unnamed = 0
    if lake.has("checkpoints"):
        versions |= set(lake.read("checkpoints", ("version",), where)["version"].to_pylist())
    if lake.has("trials"):
        tried = lake.read("trials", ("version",), where)["version"].to_pylist()
        versions |= {version for version in tried if version is not None}
        unnamed = tried.count(None)
    return len(versions) + unnamed
