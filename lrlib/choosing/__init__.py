"""Choosing a rate: range tests and thresholds (`finder`), regimes, bounds, and the recipe for a large rate."""
