"""The rate limit: a pure decision, and the places its state is kept."""
