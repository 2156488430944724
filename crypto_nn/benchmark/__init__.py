"""WHICH MODEL, HONESTLY: every contestant on the same folds, beside its baselines and its costs."""
