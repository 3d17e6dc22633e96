"""The device a network trains on, and the precision of its arithmetic there."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from evonas.errors import ConfigError


@dataclass(frozen=True)
class Precision:
    """The dtype of the mixed-precision regions, None without; float16 needs its loss scaled, bfloat16 does not."""

    dtype: torch.dtype | None

    @property
    def scales_loss(self) -> bool:
        """Whether gradients are too small for the dtype unless the loss is multiplied first."""
        return self.dtype == torch.float16


def open_device(name: str) -> torch.device:
    """The device called "cpu", "cuda" or "cuda:1".

    Raises:
        ConfigError: another name, or a device that this machine or this build of torch does not have.
    """
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise ConfigError(f"training.device: 'cpu', 'cuda' or 'cuda:1' expected, '{name}' given")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise ConfigError(
            f"training.device: '{name}' asked, but torch {torch.__version__} sees {there} CUDA devices; use 'cpu'"
        )
    return torch.device(name)


def open_precision(*, amp: bool, device: torch.device) -> Precision:
    """float32 without `amp`; with it bfloat16 where the device computes in it, else float16, on CUDA alone.

    A processor that lacks bfloat16 would emulate it, slower than float32.
    """
    if not amp:
        return Precision(None)
    if device.type == "cpu":
        has = torch.cpu.get_capabilities()
        return Precision(torch.bfloat16 if has.get("avx512_bf16") or has.get("amx_bf16") else None)
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    return Precision(torch.bfloat16 if native else torch.float16)
