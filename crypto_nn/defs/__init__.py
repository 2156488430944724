"""Dagster: one file per stage, thin shells around the rooms of the same names."""
