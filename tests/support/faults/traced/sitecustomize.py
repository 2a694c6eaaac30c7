"""Python imports this module at the start of each process that has its folder in PYTHONPATH."""

from support.faults.power_trace import trace_this_process

trace_this_process()
