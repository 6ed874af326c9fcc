"""Compiled draws: random words, gamma and beta variates, simulated futures. Importing one loads numba."""
