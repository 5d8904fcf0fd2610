"""The code behind the notebooks: data in, features, models, scores, figures out.

Conventions used in every module
--------------------------------
* The eleven instruments carry IRMAS's three-letter codes, always in the order of `INSTRUMENTS`.
* A label matrix is ``(n_clips, 11)``, boolean or 0/1; a score matrix has the same shape, in [0, 1].
* Audio is float32 in [-1, 1], shaped ``(n_samples,)`` when mono and ``(n_samples, n_channels)``
  otherwise; times are in seconds, frequencies in hertz.
* Randomness comes from a `numpy.random.Generator` or an integer seed that the caller passes.
"""

INSTRUMENTS = ("cel", "cla", "flu", "gac", "gel", "org", "pia", "sax", "tru", "vio", "voi")

INSTRUMENT_NAMES = {
    "cel": "cello",
    "cla": "clarinet",
    "flu": "flute",
    "gac": "acoustic guitar",
    "gel": "electric guitar",
    "org": "organ",
    "pia": "piano",
    "sax": "saxophone",
    "tru": "trumpet",
    "vio": "violin",
    "voi": "voice",
}
