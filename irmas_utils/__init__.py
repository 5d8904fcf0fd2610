"""The code behind the notebooks: data in, features, models, scores, figures out.

Rooms, each of which imports only those before it
-------------------------------------------------
The thin core, which can be read in an hour:

* `project`: paths, settings, errors, files, records, the vocabulary, execution of notebooks.
* `audio`: from files to samples, padding, FFT magnitudes, batches.
* `data`: the data set as a table, a row a clip; the sample corpus; published facts.
* `metrics`: scores, thresholds, intervals.
* `models`: the paper's two networks, the pre-trained one, and their training.

The wings:

* `systems`: the five of Bosch et al., the fine-tuned networks, the recognizer.
* `plots`: every figure.
* `paper`: claims, studies, discussion, the workflow and the site.

Conventions used in every module
--------------------------------
* The eleven instruments carry IRMAS's three-letter codes, always in the order of
  `project.vocabulary.INSTRUMENTS`.
* A label matrix is ``(n_clips, 11)``, boolean or 0/1; a score matrix has the same shape, in [0, 1].
* Audio is float32 in [-1, 1], shaped ``(n_samples,)`` when mono and ``(n_samples, n_channels)``
  otherwise; times are in seconds, frequencies in hertz.
* Randomness comes from a `numpy.random.Generator` or an integer seed that the caller passes.
"""
