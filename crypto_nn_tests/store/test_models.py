"""Versions appear whole, never change, and are verified before they are loaded."""

import random
from pathlib import Path

import pytest

from crypto_nn.errors import ModelError
from crypto_nn.store import ModelStore
from crypto_nn_tests.store.kill import KILLS, SEED, killed
from crypto_nn_tests.store.workers import save_model

FILES = {"model.safetensors": bytes(range(256)) * 2, "config.json": b'{"layers": 2}'}
HOSTILE = (
    "", ".", "..", "../x", "a/b", "a\\b", "/etc", "..\\..", "%2e%2e%2f", "a\0b", "x" * 101, ".x",
    "\uff0e\uff0e", "a b", "a\n", "-rf", "a;b",
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def test_what_was_saved_is_loaded(store: ModelStore) -> None:
    folder = store.save("lstm", "v1", FILES)
    assert folder == store.root / "lstm" / "v1"
    assert store.load("lstm", "v1") == FILES
    assert (store.names(), store.versions("lstm"), store.find("v1")) == (("lstm",), ("v1",), "lstm")


def test_a_version_never_changes(store: ModelStore) -> None:
    """The same bytes again are no change at all; other bytes or files are refused."""
    manifest = store.save("lstm", "v1", FILES) / "manifest.json"
    before = manifest.stat()
    store.save("lstm", "v1", dict(reversed(FILES.items())))
    assert manifest.stat() == before
    for other in ({**FILES, "config.json": b"{}"}, {}, {**FILES, "card.md": b""}):
        with pytest.raises(ModelError, match="never change"):
            store.save("lstm", "v1", other)
    assert store.load("lstm", "v1") == FILES


def test_every_flipped_bit_is_detected_before_anything_is_returned(store: ModelStore) -> None:
    """A11: one random bit of a file, the manifest or a pointer; the message names the file."""
    folder = store.save("lstm", "v1", FILES)
    store.set_pointer("champion", {"version": "v1"})
    chance = random.Random(SEED)
    pointer = store.root / "pointers" / "champion.json"
    for path in (*sorted(folder.iterdir()), pointer):
        content = path.read_bytes()
        for bit in chance.sample(range(len(content) * 8), min(250, len(content) * 8)):
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            with pytest.raises(ModelError, match=r"damaged|cannot be") as caught:
                store.pointer("champion") if path == pointer else store.load("lstm", "v1")
            if path.name != "manifest.json":
                assert path.name in str(caught.value)
        path.write_bytes(content)
    assert store.load("lstm", "v1") == FILES


def test_a_missing_or_shortened_file_is_named(store: ModelStore) -> None:
    folder = store.save("lstm", "v1", FILES)
    (folder / "config.json").write_bytes(b"")
    with pytest.raises(ModelError, match=r"config\.json is damaged"):
        store.load("lstm", "v1")
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"config\.json is damaged: it is missing"):
        store.load("lstm", "v1")


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_name_leads_out_of_the_store(name: str, store: ModelStore) -> None:
    """H7: names of models, versions, files and pointers."""
    store.save("lstm", "v1", FILES)
    for attempt in (
        lambda: store.save(name, "v1", FILES),
        lambda: store.save("lstm", name, FILES),
        lambda: store.save("lstm", "v2", {name: b""}),
        lambda: store.load(name, "v1"),
        lambda: store.load("lstm", name),
        lambda: store.versions(name),
        lambda: store.find(name),
        lambda: store.pointer(name),
        lambda: store.set_pointer(name, {}),
    ):
        with pytest.raises(ModelError, match="cannot be"):
            attempt()
    assert sorted(path.name for path in store.root.rglob("*")) == sorted(
        ["lstm", "v1", "manifest.json", *FILES]
    )


def test_reserved_names_are_refused(store: ModelStore) -> None:
    with pytest.raises(ModelError, match="pointers"):
        store.save("pointers", "v1", FILES)
    with pytest.raises(ModelError, match="written by the store"):
        store.save("lstm", "v1", {"manifest.json": b"{}"})


def test_what_is_not_there_is_said_with_what_is(store: ModelStore) -> None:
    store.save("lstm", "v1", FILES)
    with pytest.raises(ModelError, match="no version v9 of lstm; there are: v1"):
        store.load("lstm", "v9")
    with pytest.raises(ModelError, match="no single version v9"):
        store.find("v9")
    store.save("hybrid", "v1", FILES)
    with pytest.raises(ModelError, match="hybrid, lstm"):
        store.find("v1")


def test_a_pointer_is_none_until_it_is_set_and_then_the_last_value(store: ModelStore) -> None:
    assert store.pointer("champion-BTC-USDT") is None
    for version in ("v1", "v2"):
        store.set_pointer("champion-BTC-USDT", {"version": version, "seeds": [1, 2]})
    assert store.pointer("champion-BTC-USDT") == {"version": "v2", "seeds": [1, 2]}
    assert store.pointers() == ("champion-BTC-USDT",)


@pytest.mark.kill
def test_a_killed_save_leaves_no_version_or_a_whole_one(store: ModelStore) -> None:
    """A1, A2, A3, A13: whole or absent, durable once said, right when repeated, swept clean."""
    files = {f"part{i}": bytes([i]) * 300_000 for i in range(8)}
    trials = ((store.root, f"v{number}", files) for number in range(KILLS + 1))
    for number, done in killed(save_model, trials):
        version = f"v{number}"
        assert store.has("lstm", version) or not done
        if store.has("lstm", version):
            assert store.load("lstm", version) == files
        store.save("lstm", version, files)
        assert store.load("lstm", version) == files
    store.sweep(older_than=0.0)
    assert list(store.root.rglob("*.tmp")) == []
