"""What became of the attacks of one kind: a row of the table that `make soak` prints."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """How many attacks of a kind were made, and what they cost.

    Args:
        case: what was done, in a short sentence.
        tried: how often, or with how many files or steps.
        survived: how many of them ended as they should.
        lost: updates, files or samples that are gone or differ from the undisturbed run.
        remark: figures, in words.
    """
    case: str
    tried: int
    survived: int
    lost: int
    remark: str = ''

    @property
    def good(self) -> bool:
        """All survived and nothing is lost."""
        return self.survived == self.tried and self.lost == 0
