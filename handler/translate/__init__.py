"""The core: what one API says, said in the other. No I/O, no clock, no randomness."""
