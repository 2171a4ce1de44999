"""The shapes of the two APIs, and when each is legal."""
