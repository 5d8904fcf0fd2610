"""The built-in sample corpus: synthetic music in the layout and format of IRMAS.

It exists so that everything runs, and can be tested, without the 11 GB of IRMAS. A seeded
composer (`composer`) writes short pieces, symusic renders them with a General MIDI soundfont
(`render`), and `ensure` keeps the result in the cache. The leading labelled instrument is 7 dB or
more above each player of the accompaniment, the drums and the bass, the other labelled ones 4 dB
or more, so that predominance has a meaning.

What it is not
--------------
* It is not IRMAS, and scores on it say nothing about real music: only that the code works.
* A class is one to five synthesizer sounds, where IRMAS has hundreds of players, instruments,
  microphones and studios. A network can learn the soundfont by heart.
* Voice is a General MIDI choir or synthesizer voice: it has vowels, no words and no consonants.
* There is no playing technique but vibrato, decay and overdrive: no bends, slides, breath,
  bow changes or dynamics within a note. Panning is by level only, and the room is noise that
  dies away.
* Harmony is diatonic, metre is 4/4, tempo is constant, and sections do not exist.
* Labels are true by construction, whereas those of IRMAS's training set leave out instruments
  that can be heard. There are no duplicates and no conflicting labels.
* Only sizes, class counts, label counts, the share of the drums tag and the name forms follow
  IRMAS; how classes and genres go together is an estimate, and songs are shorter (one to four
  clips, not about fourteen).

The same settings give the same bytes on one machine, whatever the number of processes. Another
processor or another version of NumPy or SciPy may round a sample differently.

The default soundfont is TimGM6mb by Tim Brechbill, found inside the pretty_midi package and
distributed by others under the GNU General Public License 2; the package itself does not state
its licence. Nothing of it is part of this project. Before use its root keys are rewritten, into a
copy in the cache, because symusic would play most presets at wrong pitches (`soundfont`).
"""

from irmas_utils.data.sample.corpus import ensure, stems

__all__ = ["ensure", "stems"]
