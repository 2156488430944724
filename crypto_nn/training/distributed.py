"""Joining the processes of one training: where each computes, and how they meet."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed as group

from crypto_nn.errors import ConfigError
from crypto_nn.training.config import TrainConfig
from crypto_nn.training.ranks import RankLost, Ranks


@dataclass(frozen=True)
class Place:
    """A process among all that train together.

    Attributes:
        rank: from 0, over all machines.
        size: how many there are.
        local: from 0, on its machine; which GPU is its own.
        meeting: where they meet, as torch.distributed spells it.
    """

    rank: int
    size: int
    local: int
    meeting: str = "env://"


@contextmanager
def joined(place: Place, config: TrainConfig) -> Iterator[Ranks]:
    """Be one of the processes for the time of the block.

    Raises:
        ConfigError: the settings ask for another number of processes, or for more GPUs than there
            are.
        RankLost: the others did not come in time.
    """
    device = device_of(place, config)
    if place.size == 1:
        yield Ranks(device=device)
        return
    backend = "nccl" if device.startswith("cuda") else "gloo"
    try:
        group.init_process_group(
            backend,
            init_method=place.meeting,
            rank=place.rank,
            world_size=place.size,
            timeout=timedelta(seconds=config.processes_timeout_s),
        )
    except RuntimeError as error:  # all that torch.distributed raises here
        raise RankLost(
            f"Process {place.rank} of {place.size} did not meet the others within "
            f"{config.processes_timeout_s} s (training.processes_timeout_s): {error}"
        ) from error
    try:
        yield Ranks(place.rank, place.size, device)
    finally:
        group.destroy_process_group()


def device_of(place: Place, config: TrainConfig) -> str:
    """Where this process computes: with cuda, on the GPU of its local rank.

    Raises:
        ConfigError: see `joined`.
    """
    if config.processes not in (1, place.size):
        raise ConfigError(
            f"training.processes is {config.processes}, but torchrun started {place.size}. Leave "
            "training.processes out, or start as many."
        )
    if place.size > config.batch_size:
        raise ConfigError(
            f"training.batch_size is {config.batch_size}: too small for {place.size} processes to "
            f"share. Make it {place.size} or more, or start fewer."
        )
    if not config.device.startswith("cuda"):
        return config.device
    if place.local >= torch.cuda.device_count():
        raise ConfigError(
            f"training.device is {config.device} and process {place.rank} needs GPU {place.local}, "
            f"but this machine has {torch.cuda.device_count()}. Each process needs one of its own: "
            "lower training.processes, or set training.device to cpu."
        )
    return f"cuda:{place.local}"
