"""Takes the picture of docs/controls.md: all controls, by the code that ships; some minutes.

`python docs/control_pictures.py` writes docs/images/controls.png.
"""

from pathlib import Path

from crypto_nn.benchmark.controls.control import ControlConfig
from crypto_nn.benchmark.controls.report import drawings
from crypto_nn.benchmark.controls.run import run_controls

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """How often each test rejects where there is nothing to be found."""
    found = run_controls(ControlConfig())
    (IMAGES / "controls.png").write_bytes(drawings(found)[0].picture.png())


if __name__ == "__main__":
    main()
