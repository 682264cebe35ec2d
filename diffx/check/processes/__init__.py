"""`check_process`: a forward process, its rates, conversions and grids."""
