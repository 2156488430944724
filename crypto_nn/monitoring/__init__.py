"""Is it still true: drift, alerts, and the decision to retrain."""
