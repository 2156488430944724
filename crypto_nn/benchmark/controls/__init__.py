"""Does the benchmark itself tell the truth? Markets whose answer is known, and leaks of our own."""
