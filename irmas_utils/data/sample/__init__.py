"""The built-in sample corpus: synthetic music in the layout and format of IRMAS.

A seeded composer (`composer`) writes short pieces, symusic renders them with a General MIDI
soundfont (`render`), and `ensure` keeps the result in the cache. The leading labelled instrument is
7 dB or more above each player of the accompaniment, the drums and the bass, the other labelled ones
4 dB or more, so that predominance has a meaning.

What it is not
--------------
* A class is one to five synthesizer sounds, where IRMAS has hundreds of players, instruments,
  microphones and studios. A network can learn the soundfont by heart.
* There is no playing technique but vibrato, decay and overdrive, and voice has no words. Harmony is
  diatonic, metre is 4/4, tempo is constant, panning is by level, and the room is noise.
* Labels are true by construction, whereas those of IRMAS's training set leave out instruments
  that can be heard.
* Only sizes, class counts, label counts, the share of the drums tag and the name forms follow
  IRMAS; how classes and genres go together is an estimate, and songs are of one to four clips.

The default soundfont is TimGM6mb by Tim Brechbill, found inside the pretty_midi package and
distributed by others under the GNU General Public License 2. Nothing of it is part of this project.
"""

from irmas_utils.data.sample.corpus import ensure, stems

__all__ = ["ensure", "stems"]
