"""The arithmetic a model is computed in: float32, bfloat16, or 8-bit integers; on which processor."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from docqa.errors import ReaderError
from docqa.reader.choices import DEVICES, Arithmetic, Device
from docqa.reader.model import RaisingLinear, SpanModel

_LEAST_STEP = 1e-12


def choose_device(device: Device) -> torch.device:
    """The processor to compute on: for `auto` a GPU if there is one. ReaderError if there is no such processor."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if device not in there:
        raise ReaderError(f"there is no device {device!r}; it is one of {', '.join(DEVICES)}")
    if not there[device]:
        raise ReaderError(f"this machine has no {device} that torch can use; leave --device out, or name cpu")
    return torch.device(device)


def in_hardware(device: torch.device) -> list[Arithmetic]:
    """The arithmetics that this processor computes in hardware, the most exact first."""
    if device.type == "cuda":
        return ["float32", "bfloat16"] if torch.cuda.is_bf16_supported(including_emulation=False) else ["float32"]
    if device.type != "cpu":
        return ["float32"]
    found: list[Arithmetic] = ["float32"]
    # Older versions of torch do not tell.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
        found.append("bfloat16")
    if (capabilities.get("avx512_vnni") or capabilities.get("avx_vnni")) and _multiplies_integers():
        found.append("int8")
    return found


def computed_in(model: SpanModel, arithmetic: Arithmetic, device: torch.device) -> SpanModel:
    """Make a model compute in an arithmetic on a device; the model itself changes.

    With int8 it is the layers' linear maps that multiply integers; what is between them is in bfloat16 where the
    processor has it. ReaderError if this processor cannot.
    """
    if arithmetic != "int8":
        model = _with_products_in(getattr(torch, arithmetic), model).to(device)
        return _with_linears(PackedLinear, model) if _packs(arithmetic, device) else model
    there = in_hardware(device)
    if "int8" not in there:
        raise ReaderError(f"this machine's {device.type} does not multiply 8-bit integers; choose another precision")
    return _with_products_in(
        torch.bfloat16 if "bfloat16" in there else torch.float32, _with_linears(IntegerLinear, model)
    )


def _with_linears(kind: Callable[[nn.Linear], nn.Module], model: SpanModel) -> SpanModel:
    """Let the layers' linear maps compute in another way."""
    for layer in model.layers:
        for name in ("queries_keys_values", "attention_output", "up", "down"):
            setattr(layer, name, kind(getattr(layer, name)))
    return model


def _with_products_in(dtype: torch.dtype, model: SpanModel) -> SpanModel:
    """Convert all but the table of words, half of a small reader, of which only the rows that are read matter."""
    for part in (*model.embeddings.children(), model.layers, model.span_head):
        if part is not model.embeddings.words:
            part.to(dtype)
    return model


class PackedLinear(nn.Module):
    """A linear map whose weights lie in memory as oneDNN's products take them, not arranged anew at every call.

    In float32 it takes less than half the time on processors for which torch's usual products were not made.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._outputs = linear.out_features
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self._bias = linear.bias.detach()
        self._then = _then(linear)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (..., width) to (..., outputs)."""
        flat = hidden.reshape(-1, hidden.shape[-1])
        output: Tensor = torch.ops.mkldnn._linear_pointwise(flat, self._packed, self._bias, *self._then)
        return output.view(*hidden.shape[:-1], self._outputs)


def _packs(arithmetic: Arithmetic, device: torch.device) -> bool:
    """Whether torch has oneDNN's products of packed weights in this arithmetic; it does not promise them."""
    products = torch.ops.mkldnn
    return (
        device.type == "cpu"
        and torch._C._has_mkldnn
        and hasattr(products, "_reorder_linear_weight")
        and hasattr(products, "_linear_pointwise")
        and arithmetic in in_hardware(device)
    )


def _then(linear: nn.Linear) -> tuple[str, list[object], str]:
    """What oneDNN does with a product before it is written."""
    return ("gelu", [], "none") if isinstance(linear, RaisingLinear) else ("none", [], "")


class IntegerLinear(nn.Module):
    """A linear map of 8-bit integers: a scale for each output's weights, and one for all inputs, found as they come.

    After Q8BERT (Zafrir et al. 2019, arXiv 1910.06188), without its training.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        self._scales = weight.abs().amax(dim=1).clamp_min(_LEAST_STEP) / 127
        self._zeros = torch.zeros(len(weight), dtype=torch.int32)
        self._bias = linear.bias.detach().float()
        integers = (weight / self._scales[:, None]).round().to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(integers, None)
        self._then = _then(linear)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (..., width) to (..., outputs) in the arithmetic that `hidden` has."""
        flat = hidden.reshape(-1, hidden.shape[-1])
        low, high = (float(bound) for bound in torch.aminmax(flat))
        # One step less than there are, so that rounding leads nowhere beyond.
        step = max(max(high, 0.0) - min(low, 0.0), _LEAST_STEP) / 254
        zero = round(-min(low, 0.0) / step)
        integers = flat.float().mul_(1 / step).add_(zero + 0.5).to(torch.uint8)
        scales = (self._packed, self._scales, self._zeros, self._bias, 1.0, 0)
        output: Tensor = torch.ops.onednn.qlinear_pointwise(integers, step, zero, *scales, hidden.dtype, *self._then)
        return output.view(*hidden.shape[:-1], -1)


def _multiplies_integers() -> bool:
    """Whether torch has oneDNN's products of 8-bit integers."""
    return hasattr(torch.ops.onednn, "qlinear_pointwise") and hasattr(torch.ops.onednn, "qlinear_prepack")
