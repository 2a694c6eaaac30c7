"""Faults of disks and libraries, made on purpose."""
