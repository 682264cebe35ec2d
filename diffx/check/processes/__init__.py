"""A forward process, its rates, conversions and grids."""

from diffx.check.processes.claims import check_process as check_process
