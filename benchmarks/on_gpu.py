"""The paper's two networks on a GPU, by PyTorch with CUDA, and our LSTM on the processor.

A step of the LSTM is the layer forward and backward, in float32, over clips of the paper's length
and of a tenth of it. cuDNN is asked for a clip as a whole and in pieces of `PIECE` steps, each of
which begins with the state of the one before; what it refuses has no time. As in
benchmarks/lstm_training.py, "ours" is a new network, whose gradient vanishes, and "ours, full" one
in which it does not. The error is the norm of the gradient's difference from PyTorch's on the
processor in float64, over 2000 steps, with weights as Keras draws them. The dense network's step is
the whole of it, with PyTorch's fused Adam.

Needs PyTorch, but neither TensorFlow nor Keras. ``python benchmarks/on_gpu.py [--quick]``
"""

import itertools

import numpy as np
import report
import torch
from torch import nn

from irmas_utils.models import lstm_batch
from irmas_utils.project.parallel import threads

UNITS, PIECE = 22, 44_100
DENSE = (442_000, 64, 100_000, 32, 50_000, 11)
OPEN = 10.0  # bias of open forget gates: they keep 0.99995 a step


def weights(forget: float) -> list[np.ndarray]:
    """Kernel, recurrent kernel and bias, about as Keras draws them."""
    rng = np.random.default_rng(0)
    kernel = rng.uniform(-1, 1, (1, 4 * UNITS)) * (6 / (1 + 4 * UNITS)) ** 0.5
    recurrent = np.linalg.qr(rng.normal(size=(4 * UNITS, UNITS)))[0].T
    bias = np.repeat([0, forget, 0, 0], UNITS)
    return [np.ascontiguousarray(w, np.float32) for w in (kernel, recurrent, bias)]


def layer(values: list[np.ndarray], device: str, dtype: torch.dtype) -> nn.LSTM:
    """Make PyTorch's layer of Keras's weights; both order the gates alike."""
    made = nn.LSTM(1, UNITS, batch_first=True, device=device, dtype=dtype)
    kernel, recurrent, bias = (torch.tensor(v, device=device, dtype=dtype) for v in values)
    with torch.no_grad():
        for name, value in (("weight_ih", kernel.T), ("weight_hh", recurrent.T), ("bias_ih", bias),
                            ("bias_hh", 0 * bias)):  # fmt: skip
            getattr(made, f"{name}_l0").copy_(value)
    return made


def ours(x: np.ndarray, values: list[np.ndarray]) -> list[np.ndarray]:
    """Gradients of the weights from those of the last state, which are ones."""
    length = np.full(len(x), x.shape[1])
    sequence, state, starts = lstm_batch.forward(x, length, *values)
    return lstm_batch.backward(sequence, np.ones_like(state), starts, x, length, *values)[1:]


def theirs(made: nn.LSTM, x: torch.Tensor, piece: int) -> list[np.ndarray]:
    """Do the same as `ours`, so many steps at a time."""
    made.zero_grad()
    state = None
    for part in x.split(piece, dim=1):
        _, state = made(part.contiguous(), state)
    state[0].sum().backward()
    found = made.weight_ih_l0.grad.T, made.weight_hh_l0.grad.T, made.bias_ih_l0.grad
    return [gradient.cpu().numpy() for gradient in found]


def noise(batch: int, time: int) -> np.ndarray:
    return np.random.default_rng(1).normal(scale=0.1, size=(batch, time, 1)).astype(np.float32)


def errors() -> dict[str, float]:
    """Relative error of each one's gradient."""
    values, x = weights(1.0), noise(2, 2000)
    double = torch.tensor(x, dtype=torch.float64)
    true = theirs(layer(values, "cpu", torch.float64), double, PIECE)
    on_gpu = layer(values, "cuda", torch.float32), torch.tensor(x, device="cuda")
    found = {"ours": ours(x, values), "cuDNN": theirs(*on_gpu, PIECE)}
    norm = lambda gradients: sum(np.sum(g**2) for g in gradients) ** 0.5  # noqa: E731
    return {
        name: float(norm([a - b for a, b in zip(gradients, true, strict=True)]) / norm(true))
        for name, gradients in found.items()
    }


def lstm_rows(batch: int, time: int, turns: int) -> list[dict]:
    """Time a step by each way that runs."""
    x, new, full = noise(batch, time), weights(1.0), weights(OPEN)
    on_gpu = layer(new, "cuda", torch.float32), torch.tensor(x, device="cuda")
    tasks = {"ours": lambda: ours(x, new), "ours, full": lambda: ours(x, full)}
    tasks["cuDNN, whole"] = lambda: theirs(*on_gpu, time)
    tasks["cuDNN, in pieces"] = lambda: theirs(*on_gpu, PIECE)
    refused = []
    for name, task in tasks.items():
        try:
            task()  # compiles, or chooses an algorithm
        except RuntimeError as error:
            print(f"{name}, {batch} clips of {time} steps: {error}"[:200])
            refused.append(name)
    seconds = report.best_of_turns({n: t for n, t in tasks.items() if n not in refused}, turns)
    return [
        {"network": f"LSTM, {name}", "batch": batch, "steps of a clip": time,
         "ms a step": 1e3 * seconds[name] if name in seconds else None,
         "times ours": seconds["ours"] / seconds[name] if name in seconds else None}
        for name in tasks
    ]  # fmt: skip


def dense_row(batch: int, turns: int) -> dict:
    """Time a whole training step of the dense network."""
    layers = [nn.Linear(*sizes) for sizes in itertools.pairwise(DENSE)]
    between = (part for layer in layers for part in (nn.LeakyReLU(0.01), layer))
    network = nn.Sequential(*itertools.islice(between, 1, None)).cuda()
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    x, y = torch.rand(batch, DENSE[0]).pin_memory(), torch.eye(11, device="cuda")[:batch]

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x.cuda(non_blocking=True)), y).backward()
        optimizer.step()
        torch.cuda.synchronize()

    step()
    seconds = report.best_of_turns({"step": step}, turns)["step"]
    return {"network": "dense, PyTorch", "batch": batch, "ms a step": 1e3 * seconds}


def main() -> None:
    """Run the benchmark."""
    options = report.arguments(__doc__)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    paper, turns = (4410, 2) if options.quick else (132_300, 3)
    rows = [row for time in (paper, paper // 10) for batch in (2, 8, 64, 256)
            for row in lstm_rows(batch, time, turns)]  # fmt: skip
    rows.append(dense_row(4, 10 * turns))
    gpu = torch.cuda.get_device_name()
    report.write(options.out, "on_gpu", rows, gpu=gpu, threads=threads(), errors=errors(),
                 cudnn=torch.backends.cudnn.version(), pytorch=torch.__version__)  # fmt: skip


if __name__ == "__main__":
    main()
