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


def hidden(x: keras.KerasTensor, widths: Sequence[int]) -> keras.KerasTensor:
    """Stack dense layers with leaky ReLU, one for each of `widths`."""
    for number, width in enumerate(widths, start=1):
        x = keras.layers.Dense(width, name=f"dense_{number}")(x)
        x = keras.layers.LeakyReLU(LEAKY_SLOPE, name=f"leaky_relu_{number}")(x)
    return x


def scores(x: keras.KerasTensor, n_labels: int = len(INSTRUMENTS)) -> keras.KerasTensor:
    """End a network with the layers ``logits`` and ``scores``."""
    x = keras.layers.Dense(n_labels, name="logits")(x)
    return keras.layers.Activation("sigmoid", name="scores")(x)


class Configured(keras.layers.Layer):
    """A layer whose constructor's arguments are its annotated attributes, as of a dataclass.

    It is found by its name when a saved model is loaded.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        keras.saving.register_keras_serializable("irmas_utils")(cls)

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
    """`keras.layers.Dense`, under the name that it has in models saved by older versions."""


@keras.saving.register_keras_serializable("irmas_utils")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` over images, (batch, height, width, channels), in one go.

    TensorFlow's fused kernel takes half the time of Keras's elementary operations on a CPU.
    As in PyTorch, the running variance is fed with the unbiased variance of the batch.
    """

    def call(self, inputs, training=None):
        """Normalize; shape unchanged."""
        learns = bool(training and self.trainable)
        moments = [self.moving_mean, self.moving_variance]
        given = [self.gamma, self.beta] if learns else [self.gamma, self.beta, *moments]
        output, *found = tf.compat.v1.nn.fused_batch_norm(
            inputs, *map(tf.convert_to_tensor, given), epsilon=self.epsilon, is_training=learns
        )
        if learns:
            for moving, new in zip(moments, found, strict=True):
                moving.assign(moving * self.momentum + new * (1 - self.momentum))
        return output


def logits_view(model: keras.Model) -> keras.Model:
    """View of `model` that ends before the sigmoid. It shares every variable with `model`."""
    return keras.Model(model.input, model.get_layer("logits").output, name=f"{model.name}_logits")
