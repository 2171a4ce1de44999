"""A small Anthropic API, as strict as the real one for what it covers: for the demo, and for tests.

It refuses what the real API refuses: missing or unknown fields, the wrong credential, what a model does not take. Its
answers follow the request, or a script in the prompt (`script`). Nothing of it is needed to run the proxy.
"""

from handler.simulator.app import create_simulator

__all__ = ["create_simulator"]
