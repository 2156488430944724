"""How bars are written in files: which columns, which cells, which containers."""

from crypto_nn.sources.formats.bar_file import BarFile, open_bar_files

__all__ = ["BarFile", "open_bar_files"]
