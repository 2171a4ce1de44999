"""What one Claude model can do: the record a translation asks before it builds a request for that model."""

from dataclasses import dataclass
from enum import Enum

EFFORTS = ("low", "medium", "high", "xhigh", "max")
"""Every effort level there is, weakest first."""


class Thinking(Enum):
    """How a model's thinking is turned on and off; the letters are the classes of MAPPING 6.1."""

    ALWAYS = "A: adaptive, cannot be turned off"
    BETWEEN_TOOLS = "B: adaptive by default; off is `between_tools`"
    ON = "C: adaptive by default; off is `disabled`"
    OFF = "D, E: off by default; on is `adaptive`"
    BUDGET = "F, G: off by default; on is `enabled` with a budget in tokens"
    UNKNOWN = "nothing is known: say nothing about thinking"


@dataclass(frozen=True, slots=True)
class Capability:
    """One model's limits, in tokens, and which request fields it takes. The default is safe for a model nobody knows.

    `context` and `max_output` are None where unknown. `efforts` are the levels of `output_config.effort` it takes,
    weakest first. `hides_thinking`: thinking text comes back empty unless `display` asks for it. `binds_thinking`: a
    thinking block sent back must follow exactly what it followed first. `narrates`: text between tool calls comes
    back inside thinking blocks.
    """

    context: int | None = None
    max_output: int | None = None
    thinking: Thinking = Thinking.UNKNOWN
    efforts: tuple[str, ...] = ()
    sampling: bool = False
    forced_tools: bool = True
    system_turns: bool = False
    prefill: bool = False
    structured_outputs: bool = False
    hides_thinking: bool = False
    binds_thinking: bool = False
    narrates: bool = False

    def effort(self, wanted: str) -> str | None:
        """The highest level this model has that is not above `wanted`, else its lowest; None without any."""
        rank = EFFORTS.index(wanted)
        within = [level for level in self.efforts if EFFORTS.index(level) <= rank]
        return within[-1] if within else next(iter(self.efforts), None)
