"""The labels of a corpus: codes in the order of every matrix, and names. Models carry their own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """What a corpus can say of a clip: a name for people under each code."""

    names: Mapping[str, str]

    @property
    def codes(self) -> tuple[str, ...]:
        """In the order of a label matrix's columns."""
        return tuple(self.names)

    def name(self, code: str) -> str:
        """Return what people call a code; one of another vocabulary stands for itself."""
        return self.names.get(code, code)


IRMAS = Vocabulary({
    "cel": "cello", "cla": "clarinet", "flu": "flute", "gac": "acoustic guitar",
    "gel": "electric guitar", "org": "organ", "pia": "piano", "sax": "saxophone",
    "tru": "trumpet", "vio": "violin", "voi": "voice",
})  # fmt: skip
INSTRUMENTS, INSTRUMENT_NAMES = IRMAS.codes, IRMAS.names


def of(codes: Iterable[str]) -> Vocabulary:
    """Return the vocabulary of some codes: IRMAS's if they are all of its, and no other."""
    found = Vocabulary({code: IRMAS.name(code) for code in sorted({*codes})})
    return IRMAS if found.codes == IRMAS.codes else found
