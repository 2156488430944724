"""Self-retraining, leak-proof ML data platform for crypto price direction."""

__version__ = "0.1.0"
