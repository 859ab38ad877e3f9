"""The machine while a run is on it: processor, memory, disk, network, GPU, sampled by a thread in the background.

Names and units are those of MLflow's system metrics. A machine that cannot tell something is sampled for the rest;
nothing here ever raises, and nothing waits for the run or lets it wait.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from gitruns.errors import GitRunsWarning

LogFunction: TypeAlias = Callable[[Mapping[str, float], int, int], object]
"""Takes metrics, step and time in ms."""

Sensor: TypeAlias = Callable[[], dict[str, float]]

PREFIX = "system/"
_TOTALS = ("network_receive_megabytes", "network_transmit_megabytes")
"""Counted since the start, so the last sample stands for all; the others are averaged."""

_STOP_WAIT_S = 2.0
_MEGABYTE = 1e6


class SystemMetricsMonitor:
    """Samples every `interval_s` seconds and logs the mean of `samples_before_logging` samples as one step.

    With `node_id` names are `system/<node_id>/…`, to tell several machines of one run apart. `first_step` lets a
    resumed run go on counting.
    """

    def __init__(
        self,
        log: LogFunction,
        *,
        interval_s: float = 10.0,
        samples_before_logging: int = 1,
        node_id: str | None = None,
        first_step: int = 0,
    ) -> None:
        self._log = log
        self._interval_s = max(float(interval_s), 0.01)
        self._samples_before_logging = max(int(samples_before_logging), 1)
        self._prefix = f"{PREFIX}{node_id}/" if node_id else PREFIX
        self._step = first_step
        self._samples: list[dict[str, float]] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def from_environ(cls, log: LogFunction, environ: Mapping[str, str]) -> SystemMetricsMonitor:
        """Returns a monitor with the options of MLflow's variables, `MLFLOW_SYSTEM_METRICS_*`.

        A value that is no number is ignored.
        """
        options: dict[str, Any] = {}
        with suppress(KeyError, ValueError):
            options["interval_s"] = float(environ["MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"])
        with suppress(KeyError, ValueError):
            options["samples_before_logging"] = int(environ["MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING"])
        return cls(log, node_id=environ.get("MLFLOW_SYSTEM_METRICS_NODE_ID") or None, **options)

    def start(self) -> None:
        """Starts sampling; without psutil and GPU it warns and does nothing."""
        if self._thread is not None:
            return
        sensors = _sensors()
        if not sensors:
            warnings.warn("system metrics are not logged: pip install psutil", GitRunsWarning, stacklevel=2)
            return
        thread = threading.Thread(target=self._run, args=(sensors,), name="gitruns-system-metrics", daemon=True)
        with suppress(RuntimeError):  # no thread to be had: the run goes on without
            thread.start()
            self._thread = thread

    def stop(self) -> None:
        """Stops sampling and logs what was sampled since the last step; may be called twice."""
        self._stopping.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_WAIT_S)

    def _run(self, sensors: list[Sensor]) -> None:
        with suppress(Exception):  # whatever fails here must not be heard in the training script
            while not self._stopping.wait(self._interval_s):
                self._sample(sensors)
                if len(self._samples) >= self._samples_before_logging:
                    self._publish()
            if not self._samples and not self._step:  # a run that is shorter than one interval has one sample too
                self._sample(sensors)
            self._publish()

    def _sample(self, sensors: list[Sensor]) -> None:
        sample: dict[str, float] = {}
        for sensor in sensors:
            with suppress(Exception):  # this sensor has nothing to say now
                sample.update(sensor())
        if sample:
            self._samples.append(sample)

    def _publish(self) -> None:
        if not self._samples:
            return
        samples, self._samples = self._samples, []
        metrics = {self._prefix + name: value for name, value in _means(samples).items()}
        step, self._step = self._step, self._step + 1
        self._log(metrics, step, time.time_ns() // 1_000_000)


def _means(samples: list[dict[str, float]]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for sample in samples:
        for name, value in sample.items():
            values.setdefault(name, []).append(value)
    return {
        name: several[-1] if name in _TOTALS else round(sum(several) / len(several), 1)
        for name, several in values.items()
    }


def _sensors() -> list[Sensor]:
    sensors: list[Sensor] = []
    for find in (_machine_sensors, _network_sensors, _gpu_sensors):
        with suppress(Exception):  # not installed, no such device, a driver that fails
            sensors.extend(find())
    return sensors


def _machine_sensors() -> list[Sensor]:
    import psutil

    psutil.cpu_percent()  # measures since the call before: the first has nothing to say

    def processor_and_memory() -> dict[str, float]:
        memory = psutil.virtual_memory()
        return {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / _MEGABYTE,
            "system_memory_usage_percentage": memory.used / memory.total * 100,
        }

    def disk() -> dict[str, float]:
        usage = psutil.disk_usage(os.sep)
        return {
            "disk_usage_percentage": usage.percent,
            "disk_usage_megabytes": usage.used / _MEGABYTE,
            "disk_available_megabytes": usage.free / _MEGABYTE,
        }

    return [processor_and_memory, disk]


def _network_sensors() -> list[Sensor]:
    import psutil

    begin = psutil.net_io_counters()

    def network() -> dict[str, float]:
        now = psutil.net_io_counters()
        return {
            "network_receive_megabytes": (now.bytes_recv - begin.bytes_recv) / _MEGABYTE,
            "network_transmit_megabytes": (now.bytes_sent - begin.bytes_sent) / _MEGABYTE,
        }

    return [network]


def _gpu_sensors() -> list[Sensor]:
    """Returns three sensors a GPU of NVIDIA's: some cards tell their load and not their power."""
    import pynvml  # type: ignore[import-untyped, unused-ignore] # a driver's binding that few machines have

    pynvml.nvmlInit()
    sensors: list[Sensor] = []
    for number in range(pynvml.nvmlDeviceGetCount()):
        sensors.extend(_sensors_of_gpu(pynvml, f"gpu_{number}_", pynvml.nvmlDeviceGetHandleByIndex(number)))
    return sensors


def _sensors_of_gpu(nvml: Any, prefix: str, device: Any) -> list[Sensor]:
    def memory() -> dict[str, float]:
        used = nvml.nvmlDeviceGetMemoryInfo(device)
        return {
            f"{prefix}memory_usage_percentage": used.used / used.total * 100,
            f"{prefix}memory_usage_megabytes": used.used / _MEGABYTE,
        }

    def load() -> dict[str, float]:
        return {f"{prefix}utilization_percentage": nvml.nvmlDeviceGetUtilizationRates(device).gpu}

    def power() -> dict[str, float]:
        watts = nvml.nvmlDeviceGetPowerUsage(device) / 1000
        limit = nvml.nvmlDeviceGetEnforcedPowerLimit(device) / 1000
        return {f"{prefix}power_usage_watts": watts, f"{prefix}power_usage_percentage": watts / limit * 100}

    return [memory, load, power]
