"""The machinery of the benchmarks: standard library only, so that it runs beside any contestant."""
