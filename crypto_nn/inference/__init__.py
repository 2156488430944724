"""How a model answers: stored versions, asked for probabilities."""
