"""Takes the pictures of docs/tuning.md: a search on an invented bowl, by the code that ships.

`python docs/tuning_pictures.py` writes docs/images/tuning_*.png.
"""

import tempfile
from pathlib import Path

from crypto_nn.tuning.report import drawings
from crypto_nn.tuning.result import TuningResult
from crypto_nn.tuning.trials import Trials
from crypto_nn.tuning.worker import Worker
from crypto_nn_tests.tuning.fakes import a_job

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """History and importance of one search, the front of another."""
    ways = ("maximize", "minimize")
    with tempfile.TemporaryDirectory() as folder:
        one = a_job(Path(folder) / "one", 40, "stairs", pruner="median")
        two = a_job(Path(folder) / "two", 40, "two_sided", directions=ways)
        for job, wanted in ((one, ("history", "importance")), (two, ("", "", "front"))):
            worker = Worker(job, "pictures")
            worker.run()
            result = TuningResult.of(job, Trials.of(worker.study, job.max_retries))
            for name, drawing in zip(wanted, drawings(result)):
                if name:
                    (IMAGES / f"tuning_{name}.png").write_bytes(drawing.picture.png())


if __name__ == "__main__":
    main()
