"""What the paper's two networks share, and the convention that training relies on.

A network here is a `keras.Model` that gives scores in [0, 1], so that it predicts and saves like
any other. Its last two layers are a linear `Dense` named ``logits`` and a sigmoid named
``scores``: mathematically the one sigmoid layer of the paper, but the loss can reach the logits,
where it is exact at any magnitude (`models.losses`).
"""

from collections.abc import Sequence

from irmas_utils.project.backend import keras, tf
from irmas_utils.project.vocabulary import INSTRUMENTS

LEAKY_SLOPE = 0.01
"""Slope of leaky ReLU: the paper's "usually around 0.01" (section 3.3.4), not Keras's 0.3."""


def hidden(x: keras.KerasTensor, widths: Sequence[int], layer=keras.layers.Dense):
    """Stack dense layers (of class `layer`) with leaky ReLU, one for each of `widths`."""
    for number, width in enumerate(widths, start=1):
        x = layer(width, name=f"dense_{number}")(x)
        x = keras.layers.LeakyReLU(LEAKY_SLOPE, name=f"leaky_relu_{number}")(x)
    return x


def scores(x: keras.KerasTensor, n_labels: int = len(INSTRUMENTS)) -> keras.KerasTensor:
    """End a network with the layers ``logits`` and ``scores``."""
    x = keras.layers.Dense(n_labels, name="logits")(x)
    return keras.layers.Activation("sigmoid", name="scores")(x)


class Configured(keras.layers.Layer):
    """A layer whose constructor's arguments are its annotated attributes, as of a dataclass."""

    def __init__(self, *values, **kwargs) -> None:
        names = type(self).__annotations__
        given = dict(zip(names, values, strict=False))
        given |= {name: kwargs.pop(name) for name in names if name in kwargs}
        super().__init__(**kwargs)
        for name, value in given.items():
            setattr(self, name, value)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        own = {name: getattr(self, name) for name in type(self).__annotations__}
        return super().get_config() | own


@keras.saving.register_keras_serializable("irmas_utils")
class WideDense(keras.layers.Dense):
    """`keras.layers.Dense` for a kernel far larger than the batch; the same function.

    The gradient of the kernel is a sum of one outer product a clip. Written out so, XLA computes
    it inside the optimizer's sweep over the weights, and it never goes through memory. It pays
    under ``jit_compile`` only and for few clips.
    """

    few = 8

    def call(self, inputs, training=None):
        """Apply the layer to (batch, features)."""
        if inputs.shape[0] is None or inputs.shape[0] > self.few:
            return super().call(inputs, training=training)
        return _product(inputs, tf.convert_to_tensor(self.kernel)) + self.bias


@tf.custom_gradient
def _product(x: tf.Tensor, kernel: tf.Tensor):
    def gradients(dy):
        d_kernel = sum(x[clip][:, None] * dy[clip] for clip in range(x.shape[0]))
        return tf.matmul(dy, kernel, transpose_b=True), d_kernel

    return tf.matmul(x, kernel), gradients


@keras.saving.register_keras_serializable("irmas_utils")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` over images, (batch, height, width, channels), in one go.

    TensorFlow's fused kernel takes half the time of Keras's elementary operations on a CPU.
    As in PyTorch, the running variance is fed with the unbiased variance of the batch.
    """

    def call(self, inputs, training=None):
        """Normalize; shape unchanged."""
        if not (training and self.trainable):
            return self._fused(inputs, mean=self.moving_mean, variance=self.moving_variance)[0]
        output, mean, variance, *_ = self._fused(inputs)
        for moving, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + found * (1 - self.momentum))
        return output

    def _fused(self, inputs, **moments):
        gamma, beta = (tf.convert_to_tensor(v) for v in (self.gamma, self.beta))
        moments = {name: tf.convert_to_tensor(value) for name, value in moments.items()}
        return tf.compat.v1.nn.fused_batch_norm(
            inputs, gamma, beta, epsilon=self.epsilon, is_training=not moments, **moments
        )


def logits_view(model: keras.Model) -> keras.Model:
    """View of `model` that ends before the sigmoid. It shares every variable with `model`."""
    return keras.Model(model.input, model.get_layer("logits").output, name=f"{model.name}_logits")
