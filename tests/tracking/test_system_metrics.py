"""The machine is sampled in the background, and whatever fails there stays there."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from gitruns.errors import GitRunsWarning
from gitruns.tracking import system_metrics
from gitruns.tracking.system_metrics import SystemMetricsMonitor

NAMES = {
    "system/cpu_utilization_percentage",
    "system/system_memory_usage_megabytes",
    "system/system_memory_usage_percentage",
    "system/disk_usage_percentage",
    "system/disk_usage_megabytes",
    "system/disk_available_megabytes",
    "system/network_receive_megabytes",
    "system/network_transmit_megabytes",
}


class Log:
    """What was logged, and a way to wait for it."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, dict[str, float], int]] = []
        self.changed = threading.Condition()

    def __call__(self, metrics: Mapping[str, float], step: int, time_ms: int) -> None:
        with self.changed:
            self.steps.append((step, dict(metrics), time_ms))
            self.changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.steps) >= count, timeout=20)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)


@pytest.mark.usefixtures("no_gpu")
class TestMachine:
    def test_names_steps_and_times_are_mlflow_s(self) -> None:
        log = Log()
        monitor = SystemMetricsMonitor(log, interval_s=0.02)
        began_ms = time.time_ns() // 1_000_000
        monitor.start()
        log.wait_for(3)
        monitor.stop()
        assert [step for step, _, _ in log.steps] == list(range(len(log.steps)))
        for _, metrics, time_ms in log.steps:
            assert set(metrics) == NAMES
            assert all(isinstance(value, float) and value >= 0 for value in metrics.values())
            assert began_ms <= time_ms <= began_ms + 60_000
        first = log.steps[0][1]
        assert first["system/system_memory_usage_megabytes"] > 1
        assert first["system/disk_usage_percentage"] <= 100

    def test_samples_are_averaged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        values = iter(range(1000))

        def sensor() -> dict[str, float]:
            value = next(values)
            return {"cpu_utilization_percentage": value, "network_receive_megabytes": value}

        monkeypatch.setattr(system_metrics, "_sensors", lambda: [sensor])
        log = Log()
        monitor = SystemMetricsMonitor(log, interval_s=0.01, samples_before_logging=3)
        monitor.start()
        log.wait_for(2)
        monitor.stop()
        assert [metrics for _, metrics, _ in log.steps[:2]] == [
            {"system/cpu_utilization_percentage": 1.0, "system/network_receive_megabytes": 2},
            {"system/cpu_utilization_percentage": 4.0, "system/network_receive_megabytes": 5},
        ]

    def test_it_stops_quickly_and_a_short_run_has_one_step(self) -> None:
        log = Log()
        monitor = SystemMetricsMonitor(log, interval_s=3600)
        monitor.start()
        began = time.perf_counter()
        monitor.stop()
        assert time.perf_counter() - began < 1
        assert [step for step, _, _ in log.steps] == [0]
        assert set(log.steps[0][1]) == NAMES
        monitor.stop()
        assert len(log.steps) == 1

    def test_several_machines_and_a_resumed_run(self) -> None:
        log = Log()
        monitor = SystemMetricsMonitor(log, interval_s=0.01, node_id="node_0", first_step=7)
        monitor.start()
        log.wait_for(1)
        monitor.stop()
        step, metrics, _ = log.steps[0]
        assert step == 7
        assert set(metrics) == {name.replace("system/", "system/node_0/", 1) for name in NAMES}

    def test_the_options_of_the_environment(self) -> None:
        monitor = SystemMetricsMonitor.from_environ(
            Log(),
            {
                "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "0.5",
                "MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING": "4",
                "MLFLOW_SYSTEM_METRICS_NODE_ID": "n",
            },
        )
        assert (monitor._interval_s, monitor._samples_before_logging, monitor._prefix) == (0.5, 4, "system/n/")
        monitor = SystemMetricsMonitor.from_environ(Log(), {"MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "often"})
        assert (monitor._interval_s, monitor._samples_before_logging, monitor._prefix) == (10.0, 1, "system/")


@pytest.mark.usefixtures("no_gpu")
class TestTrouble:
    def test_a_log_that_raises_ends_the_sampling_in_silence(self, capfd: pytest.CaptureFixture[str]) -> None:
        def log(metrics: Mapping[str, float], step: int, time_ms: int) -> None:
            raise RuntimeError("the run is over")

        monitor = SystemMetricsMonitor(log, interval_s=0.01)
        monitor.start()
        assert monitor._thread is not None
        monitor._thread.join(10)
        assert not monitor._thread.is_alive()
        monitor.stop()
        assert capfd.readouterr() == ("", "")

    def test_a_sensor_that_fails_leaves_the_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import psutil

        def broken(path: str) -> Any:
            raise PermissionError("no")

        monkeypatch.setattr(psutil, "disk_usage", broken)
        log = Log()
        monitor = SystemMetricsMonitor(log, interval_s=0.01)
        monitor.start()
        log.wait_for(1)
        monitor.stop()
        assert set(log.steps[0][1]) == {name for name in NAMES if "disk" not in name}

    def test_a_machine_without_network_is_sampled_for_the_rest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import psutil

        monkeypatch.setattr(psutil, "net_io_counters", lambda: None)
        log = Log()
        monitor = SystemMetricsMonitor(log, interval_s=0.01)
        monitor.start()
        log.wait_for(1)
        monitor.stop()
        assert set(log.steps[0][1]) == {name for name in NAMES if "network" not in name}

    def test_without_psutil_it_says_so_once_and_rests(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "psutil", None)
        log = Log()
        monitor = SystemMetricsMonitor(log, interval_s=0.01)
        with pytest.warns(GitRunsWarning, match="pip install psutil"):
            monitor.start()
        monitor.stop()
        assert log.steps == []

    def test_a_log_that_hangs_does_not_hang_the_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(system_metrics, "_STOP_WAIT_S", 0.1)
        release = threading.Event()
        entered = threading.Event()

        def log(metrics: Mapping[str, float], step: int, time_ms: int) -> None:
            entered.set()
            release.wait(20)

        monitor = SystemMetricsMonitor(log, interval_s=0.01)
        monitor.start()
        assert entered.wait(20)
        began = time.perf_counter()
        monitor.stop()
        assert time.perf_counter() - began < 5
        release.set()

    def test_a_run_that_ends_inside_of_the_log_call(self) -> None:
        stopped = threading.Event()

        def log(metrics: Mapping[str, float], step: int, time_ms: int) -> None:
            monitor.stop()
            stopped.set()

        monitor = SystemMetricsMonitor(log, interval_s=0.01)
        monitor.start()
        assert stopped.wait(20)
        monitor.stop()


def test_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the driver's binding: the machines that run the tests have no GPU. The second tells no power."""

    class NVMLError(Exception):
        pass

    def power(device: int) -> int:
        if device == 1:
            raise NVMLError("not supported")
        return 50_000

    monkeypatch.setitem(
        sys.modules,
        "pynvml",
        SimpleNamespace(
            nvmlInit=lambda: None,
            nvmlDeviceGetCount=lambda: 2,
            nvmlDeviceGetHandleByIndex=lambda number: number,
            nvmlDeviceGetMemoryInfo=lambda device: SimpleNamespace(used=2_000_000_000, total=8_000_000_000),
            nvmlDeviceGetUtilizationRates=lambda device: SimpleNamespace(gpu=30 + device),
            nvmlDeviceGetPowerUsage=power,
            nvmlDeviceGetEnforcedPowerLimit=lambda device: 200_000,
        ),
    )
    log = Log()
    monitor = SystemMetricsMonitor(log, interval_s=0.01)
    monitor.start()
    log.wait_for(1)
    monitor.stop()
    found = {name: value for name, value in log.steps[0][1].items() if "gpu" in name}
    assert found == {
        "system/gpu_0_memory_usage_percentage": 25.0,
        "system/gpu_0_memory_usage_megabytes": 2000.0,
        "system/gpu_0_utilization_percentage": 30.0,
        "system/gpu_0_power_usage_watts": 50.0,
        "system/gpu_0_power_usage_percentage": 25.0,
        "system/gpu_1_memory_usage_percentage": 25.0,
        "system/gpu_1_memory_usage_megabytes": 2000.0,
        "system/gpu_1_utilization_percentage": 31.0,
    }
