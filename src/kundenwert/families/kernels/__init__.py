"""Compiled log-likelihoods: many points at once, or value, gradient and Hessian at one. Importing one loads numba."""
