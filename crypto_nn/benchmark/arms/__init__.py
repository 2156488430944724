"""WHAT HELPS, MEASURED: every stated learning as two arms on the same test rows."""
