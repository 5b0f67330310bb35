"""What is measured, in which unit, and which way is better."""

from enum import Enum


class Metric(Enum):
    """A measured quantity: name for the results file, unit, decimals, and whether more of it is better."""

    RATE = ("rate", "req/s", 0, True)
    SPEED = ("speed", "MB/s", 0, True)
    CPU_GB = ("cpu_gb", "CPU s/GB", 2, False)
    CPU_REQUEST = ("cpu_request", "CPU µs/request", 1, False)
    CPU_CONNECTION = ("cpu_connection", "CPU µs/connection", 0, False)
    MEMORY = ("memory", "MB", 0, False)
    P99 = ("p99", "ms, p99", 1, False)
    FIRST_BYTE = ("first_byte", "ms to the first byte", 1, False)
    WHOLE = ("whole", "s", 3, False)
    UPSTREAM = ("upstream", "upstream requests", 0, False)

    def __init__(self, key: str, unit: str, decimals: int, more_is_better: bool) -> None:
        self.key = key
        self.unit = unit
        self.decimals = decimals
        self.more_is_better = more_is_better


METRICS = {metric.key: metric for metric in Metric}
