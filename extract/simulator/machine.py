"""The simulated cluster: hardware and machine readings."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any, NamedTuple

from .config_templates import export_order


class Hardware(NamedTuple):
    """One kind of compute node; every run used two of its GPUs."""

    logical_cpus: int
    cpus: int
    gpu: str
    gpu_cores: int
    architecture: str
    gpu_memory: str  # bytes, as text in the real metadata
    memory: str  # bytes, as text
    power_limit: int  # watts per GPU


HARDWARE: tuple[Hardware, ...] = (
    Hardware(52, 52, "NVIDIA A40", 10752, "Ampere", "48305799168", "1081356017664", 250),
    Hardware(128, 128, "NVIDIA L40S", 18176, "Ada", "48305799168", "1623036874752", 350),
    Hardware(128, 128, "NVIDIA L40", 18176, "Ada", "48305799168", "1622993539072", 300),
    Hardware(256, 128, "NVIDIA L40S", 18176, "Ada", "48305799168", "1622993539072", 350),
)
_GPU_READINGS: dict[str, Any] = {
    "gpu": None,
    "temp": 55,
    "memory": None,
    "smClock": 2520,
    "powerWatts": 222.774,
    "memoryClock": 9001,
    "powerPercent": 63.6497142857,
    "graphicsClock": 2520,
    "memoryAllocated": 57.123979769,
    "encoderUtilization": 0,
    "memoryAllocatedBytes": 27594194944,
    "correctedMemoryErrors": 0,
    "uncorrectedMemoryErrors": 0,
}
_PROCESS_READINGS = (
    "gpu",
    "temp",
    "memory",
    "powerWatts",
    "powerPercent",
    "memoryAllocated",
    "memoryAllocatedBytes",
)


@cache
def _readings_template(
    cpus: int, power_limit: int
) -> tuple[dict[str, Any], tuple[str, ...], tuple[tuple[str, int], ...]]:
    """Machine readings: all keys in export order, the CPU keys, and (load key, bound)."""
    cpu_keys = tuple(f"system.cpu.{i}.cpu_percent" for i in range(cpus))
    values: dict[str, Any] = dict.fromkeys(cpu_keys, 0)
    for gpu in ("0", "1", "process.0"):
        for name, value in _GPU_READINGS.items():
            if gpu != "process.0" or name in _PROCESS_READINGS:
                values[f"system.gpu.{gpu}.{name}"] = value
        values[f"system.gpu.{gpu}.enforcedPowerLimitWatts"] = power_limit
        if cpus != 128 and gpu != "process.0":
            values[f"system.gpu.{gpu}.fanSpeed"] = 0
    values |= {
        "system.cpu": 1.0,
        "system.disk.in": 0,
        "system.disk.out": 0,
        "system.network.recv": 0,
        "system.network.sent": 0,
        "system.disk./.usageGB": 0,
        "system.disk./.usagePercent": 1.478618676,
        "system.memory_percent": 0,
        "system.proc.cpu.threads": 19,
        "system.proc.memory.rssMB": 10756.15234375,
        "system.proc.memory.percent": 0.6949284103,
        "system.proc.memory.availableMB": 1359346.328125,
    }
    loads = (
        *((f"system.gpu.{gpu}.gpu", 101) for gpu in ("0", "1", "process.0")),
        *((f"system.gpu.{gpu}.memory", 101) for gpu in ("0", "1", "process.0")),
        ("system.network.recv", 2_000_000_000),
        ("system.network.sent", 1_000_000_000),
    )
    return {key: values[key] for key in export_order(values)}, cpu_keys, loads


def system_metrics(rng: Random, hardware: Hardware) -> dict[str, Any]:
    """Last machine readings; percent, watts, bytes and degrees as in their key names."""
    rnd = rng.random
    template, cpu_keys, loads = _readings_template(hardware.logical_cpus, hardware.power_limit)
    metrics = template.copy()
    for key in cpu_keys:
        load = 1.2 * rnd() * rnd() - 0.1  # many CPUs idle, a few saturated
        metrics[key] = round(100 * load, 10) if 0 < load < 1 else int(load > 0) * 100
    for key, high in loads:
        metrics[key] = int(high * rnd())
    metrics["system.cpu"] = round(2 * rnd(), 10)
    metrics["system.disk./.usageGB"] = round(7 + 4 * rnd(), 10)
    metrics["system.memory_percent"] = round(4 + 7 * rnd(), 10)
    return metrics


@cache
def system_history_keys(hardware: Hardware) -> tuple[str, ...]:
    """Names of the machine readings in historyKeys, sorted."""
    template, _, _ = _readings_template(hardware.logical_cpus, hardware.power_limit)
    return tuple(sorted(key.replace("system.", "system/", 1) for key in template))
