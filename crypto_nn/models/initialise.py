"""First weights from which recurrent models learn quickly."""

from torch import nn

OUTPUT_STD = 0.01


def initialise(model: nn.Module) -> None:
    """Draw the first weights of every layer of `model`, in place.

    Linear layers get Xavier weights (Glorot & Bengio 2010), recurrent matrices orthogonal ones
    per gate (Saxe, McClelland & Ganguli 2014), and forget gates a bias of one in all, so that a
    fresh LSTM remembers (Jozefowicz, Zaremba & Sutskever 2015).
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=OUTPUT_STD)
        elif isinstance(module, nn.LSTM):
            _initialise_lstm(module)


def initialise_output(layer: nn.Linear) -> None:
    """Nearly zero weights: the first answers are nearly uniform, and the first loss ln(classes)."""
    nn.init.normal_(layer.weight, std=OUTPUT_STD)
    nn.init.zeros_(layer.bias)


def _initialise_lstm(lstm: nn.LSTM) -> None:
    hidden = lstm.hidden_size
    for name, parameter in lstm.named_parameters():
        if name.startswith("weight_ih"):
            for gate in parameter.chunk(4):
                nn.init.xavier_uniform_(gate)
        elif name.startswith("weight_hh"):
            for gate in parameter.chunk(4):
                nn.init.orthogonal_(gate)
        else:
            nn.init.zeros_(parameter)
            if name.startswith("bias_ih"):
                nn.init.ones_(parameter[hidden : 2 * hidden])
