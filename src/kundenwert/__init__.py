"""Probabilistic customer lifetime value: posterior CLV, churn probability and IDIC segments."""
