"""The two readings of the paper's loss, each as a function of the logits.

The paper names categorical cross-entropy after a sigmoid output layer (sections 3.3.2 and 4),
and describes it as if each label were judged on its own. These are two different losses.

``paper``
    What Keras computed. Its sigmoid keeps the logits on its output tensor (``_keras_logits``) and
    ``categorical_crossentropy`` takes them from there, so the sigmoid has no part in training: the
    loss is the softmax cross-entropy of the logits, in Keras 3.15 with TensorFlow still. It does
    not change when a constant is added to all logits of a clip, so where a sigmoid of 0.5 cuts is
    arbitrary.
``binary``
    Binary cross-entropy, averaged over labels: the loss that the paper's text describes.

References
----------
.. [1] ``_get_logits`` in ``keras/src/backend/tensorflow/nn.py`` (Keras 3.15); in Keras 2 the same
   code is in ``keras/backend.py``.
"""

from irmas_utils.project.backend import tf


def paper(y: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy of the logits: two tensors (batch, n_labels) to one (batch,)."""
    return tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=logits)


def binary(y: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy of the logits, averaged over the labels; shapes as for `paper`."""
    each = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits)
    return tf.reduce_mean(each, axis=-1)


LOSSES = {"paper": paper, "binary": binary}
"""By the names that settings use."""
