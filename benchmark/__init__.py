"""The engine: splits, protocols, ground truth, predictions, metrics, records. Never imports torch."""

__version__ = "0.1.0"
