"""A version as a bundle that answers without torch."""

from pathlib import Path
from typing import Annotated

import typer

from crypto_nn.cli.shared import console, group, lake, model_store
from crypto_nn.environment import home

commands = group("A version as a bundle that answers without torch.")


@commands.command()
def export(
    checkpoint: Annotated[
        str,
        typer.Option(help="A version, its beginning, `champion:BTC-USDT`, or a version's folder."),
    ],
    output: Annotated[
        Path | None, typer.Option(help="Folder to make; else the one that the server looks in.")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8/--no-int8", help="Try int8 weights, behind their gate.")
    ] = True,
) -> None:
    """Write a version as ONNX beside its facts, after it has answered as the network does.

    Example: crypto-nn export --checkpoint champion:BTC-USDT --output exported
    """
    from crypto_nn.inference.bundle import Bundle
    from crypto_nn.inference.export import ensure_exported, export_stored
    from crypto_nn.inference.registry import resolve
    from crypto_nn.store.models import ModelStore

    folder = Path(checkpoint)
    if folder.is_dir():
        folder = folder.resolve()
        store, version = ModelStore(folder.parent.parent), folder.name
    else:
        store = model_store()
        version = resolve(store, checkpoint)
    rows = lake() if int8 and (home() / "lake").exists() else None
    if output is None:
        output = ensure_exported(store, version, home() / "exports", rows, int8)
        bundle = Bundle.load(output)
    else:
        bundle = export_stored(store, version, output, rows, int8)
    precisions = " and ".join(bundle.precisions)
    console.print(f"{version} in {precisions}: {output}", markup=False, soft_wrap=True)
    console.print(bundle.gate["int8"]["reason"], markup=False, soft_wrap=True)
