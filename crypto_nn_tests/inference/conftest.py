"""One thread for torch: its threads wait for each other badly where cores are shared."""

import torch

torch.set_num_threads(1)
