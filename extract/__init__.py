"""Extractors: fetch, land, and nothing more. All interpretation happens in the dbt models."""

__version__ = "0.1.0"
