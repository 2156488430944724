"""The Transformer family against slower, independent answers; its poolings, gates and settings."""

import math

import pytest
import torch
from torch import Tensor, nn

from crypto_nn.errors import ConfigError, ModelError
from crypto_nn.models import MODELS, build
from crypto_nn.models.attention import EncoderLayer, Look, NewestLayer, SelfAttention, attend
from crypto_nn.models.configs.transformer import EncoderConfig, TransformerConfig
from crypto_nn.models.cross_timeframe import CrossTimeframeTransformer
from crypto_nn.models.dropout import ByteDropout
from crypto_nn.models.laws import LAWS
from crypto_nn.models.multi_head import MultiHeadPredictor
from crypto_nn.models.positions import Positions, sinusoids
from crypto_nn.models.specimen import Specimen, inputs_of, said_by

WIDTH, HEADS, MOMENTS, BATCH = 12, 3, 7, 4
ENCODER = EncoderConfig(width=WIDTH, heads=HEADS, layers=2, feed_forward=20, head=8, dropout=0.0)
ATTENTIVE = ("TransformerPredictor", "MultiHeadPredictor", "CrossTimeframeTransformer", "PatchTST")
QUICK = [
    law for law in LAWS.values() if "export" not in law.__name__ and "heart" not in law.__name__
]


def states(seed: int = 0, moments: int = MOMENTS) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, moments, WIDTH, generator=generator)


def heads_of(x_BTD: Tensor) -> Tensor:
    """The same, cut up for each head: (B, heads, T, width of a head)."""
    return x_BTD.view(BATCH, MOMENTS, HEADS, -1).transpose(1, 2)


def torchs_attention(matrices: Tensor, out: nn.Linear) -> nn.MultiheadAttention:
    """torch's own attention with these queries, keys and values (3·D, D), and this output."""
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(matrices)
        theirs.in_proj_bias.zero_()
    theirs.out_proj.load_state_dict(out.state_dict())
    return theirs.eval()


def test_self_attention_is_torchs() -> None:
    """Every moment's answer is what `nn.MultiheadAttention` says; so is the newest one's look."""
    ours, x_BTD = SelfAttention(WIDTH, HEADS), states()
    theirs = torchs_attention(ours.asked.weight, ours.out)
    due_BTD, weights_BTT = theirs(x_BTD, x_BTD, x_BTD)
    torch.testing.assert_close(ours(x_BTD), due_BTD)
    torch.testing.assert_close(ours.newest_weights(x_BTD), weights_BTT[:, -1])


def test_one_look_is_torchs_attention_of_one_query() -> None:
    """Bracketing the matrices the other way changes neither the answer nor the weights."""
    ours, asking_BD, x_BTD = Look(WIDTH, HEADS), states(1)[:, 0], states()
    matrices = torch.cat([ours.query.weight, ours.key.weight, ours.value.weight])
    due_B1D, weights_B1T = torchs_attention(matrices, ours.out)(asking_BD[:, None], x_BTD, x_BTD)
    found_BD, weights_BT = ours(asking_BD, x_BTD)
    torch.testing.assert_close(found_BD, due_B1D[:, 0])
    torch.testing.assert_close(weights_BT, weights_B1T[:, 0])


def test_newest_layer_is_an_encoder_layer() -> None:
    """Leaving out the moments that nobody wants changes nothing about the newest one."""
    whole, newest, x_BTD = EncoderLayer(ENCODER), NewestLayer(ENCODER), states()
    newest.feed.load_state_dict(whole.feed.state_dict())
    newest.look.out.load_state_dict(whole.attend.out.state_dict())
    for own, matrix in zip(
        (newest.look.query, newest.look.key, newest.look.value), whole.attend.asked.weight.chunk(3)
    ):
        own.weight = nn.Parameter(matrix)
    found_BD, weights_BT = newest(x_BTD)
    torch.testing.assert_close(found_BD, whole(x_BTD)[:, -1])
    torch.testing.assert_close(weights_BT, whole.newest_weights(x_BTD))


def test_half_precision_attention_is_the_same_but_for_rounding() -> None:
    """The products that are written out for bfloat16 on a CPU are torch's attention."""
    query, key, value = (heads_of(states(seed)) for seed in range(3))
    due = attend(query, key, value)
    found = attend(query.bfloat16(), key.bfloat16(), value.bfloat16())
    torch.testing.assert_close(found.float(), due, atol=0.03, rtol=0)


def test_layers_normalise_first() -> None:
    """Pre-norm: what a layer adds does not depend on the scale of what it is given."""
    layer, x_BTD = EncoderLayer(ENCODER), states()
    torch.testing.assert_close(
        layer.attend(layer.norm_attend(100 * x_BTD)),
        layer.attend(layer.norm_attend(x_BTD)),
        atol=1e-4,
        rtol=0,
    )


def test_sinusoids_are_the_papers() -> None:
    """Sines and cosines of the age, written out element by element."""
    table = sinusoids(9, 5)
    for row in range(9):
        for column in range(5):
            angle = (8 - row) / 10_000 ** ((column // 2 * 2) / 5)
            due = math.cos(angle) if column % 2 else math.sin(angle)
            assert table[row, column].item() == pytest.approx(due, abs=1e-6)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_ages_count_from_the_newest_moment(kind: str) -> None:
    """A shorter window is told the same ages; a longer one than was built for is refused."""
    positions = Positions(kind, 9, WIDTH)  # type: ignore[arg-type]
    told_TD = positions(torch.zeros(1, 9, WIDTH))[0]
    torch.testing.assert_close(positions(torch.zeros(1, 4, WIDTH))[0], told_TD[-4:])
    with pytest.raises(ModelError, match=r"windows of 9.*given 10"):
        positions(torch.zeros(1, 10, WIDTH))
    assert bool(positions.state_dict()) == (kind == "learned")


@pytest.mark.parametrize("law", QUICK, ids=lambda law: law.__name__)
@pytest.mark.parametrize("pooling", ["mean", "attention", "learned"])
def test_poolings_keep_the_laws(pooling: str, law: object) -> None:
    """Every pooling is a model like any other; positions are learned here, too."""
    assert callable(law)
    law(pooled(pooling))


def pooled(pooling: str) -> Specimen:
    settings = ENCODER.model_dump() | {"pooling": pooling, "positions": "learned", "dropout": 0.3}
    config, inputs = TransformerConfig.model_validate(settings), inputs_of(ENCODER)
    return Specimen(lambda: build("TransformerPredictor", config, inputs), inputs)


def test_poolings_differ() -> None:
    """Each pooling answers in its own way, and the learned one begins with equal weights."""
    answers = {name: pooled(name).used()(pooled(name).windows) for name in ("mean", "attention")}
    assert not torch.equal(said_by(answers["mean"]), said_by(answers["attention"]))
    gate_B3 = pooled("learned").fresh()(pooled("learned").windows).inspect["gate_pooling"]
    torch.testing.assert_close(gate_B3, torch.full((5, 3), 1 / 3))


def multi_head() -> tuple[MultiHeadPredictor, Specimen]:
    specimen = Specimen.of(MODELS["MultiHeadPredictor"], "small")
    model = specimen.used()
    assert isinstance(model, MultiHeadPredictor)
    return model, specimen


def attention_of(model: MultiHeadPredictor, horizon: int) -> dict[str, nn.Parameter]:
    """Queries, keys, values, output and head of one horizon."""
    look, head = model.looks[horizon], model.head.heads[horizon]
    found = {f"look.{name}": weight for name, weight in look.named_parameters()}
    return found | {f"head.{name}": weight for name, weight in head.named_parameters()}


def test_a_horizons_attention_learns_from_that_horizon_only() -> None:
    """Each horizon's queries, keys, values, output and head get no gradient from any other."""
    model, specimen = multi_head()
    said_BHA = said_by(model(specimen.windows))
    for horizon in range(said_BHA.shape[1]):
        model.zero_grad()
        torch.autograd.backward(said_BHA[:, horizon].square().sum(), retain_graph=True)
        for other in range(said_BHA.shape[1]):
            for name, weight in attention_of(model, other).items():
                reached = weight.grad is not None and bool(weight.grad.any())
                assert reached == (other == horizon), f"{name} of {other} from {horizon}"


def test_a_horizons_attention_changes_that_horizon_only() -> None:
    """Changing one horizon's attention changes no bit of another's answer, nor of its look."""
    model, specimen = multi_head()
    before = model(specimen.windows)
    for horizon in range(specimen.inputs.num_horizons):
        weights = attention_of(model, horizon)
        with torch.no_grad():
            for name in ("look.query.weight", "look.key.weight", "look.value.weight"):
                weights[name].mul_(1.5)
            after = model(specimen.windows)
            for name in ("look.query.weight", "look.key.weight", "look.value.weight"):
                weights[name].div_(1.5)
        looks = [each.inspect["attention_horizons"] for each in (before, after)]
        for other in range(specimen.inputs.num_horizons):
            same = torch.equal(said_by(before)[:, other], said_by(after)[:, other])
            assert same == (other != horizon)
            assert torch.equal(looks[0][:, other], looks[1][:, other]) == (other != horizon)
        model.load_state_dict(specimen.used().state_dict())


def test_shown_attentions_have_the_shapes_that_pictures_need() -> None:
    """One row of weights for each horizon, and one for each bar of each timeframe."""
    model, specimen = multi_head()
    found = model(specimen.windows).inspect
    assert found["attention_horizons"].shape == (5, 3, specimen.inputs.window)
    torch.testing.assert_close(found["attention"], found["attention_horizons"].mean(dim=1))
    cross, specimen = cross_timeframe()
    shown = cross(specimen.windows).inspect
    assert shown["gate_timeframes"].shape == (5, 4)
    torch.testing.assert_close(shown["gate_timeframes"].sum(dim=1), torch.ones(5))
    for each in specimen.inputs.slower:
        assert shown[f"attention_{each.timeframe}"].shape == (5, each.length)


def cross_timeframe() -> tuple[CrossTimeframeTransformer, Specimen]:
    specimen = Specimen.of(MODELS["CrossTimeframeTransformer"], "small")
    model = specimen.used()
    assert isinstance(model, CrossTimeframeTransformer)
    return model, specimen


@pytest.mark.parametrize("chosen", range(4))
def test_the_gate_decides_which_timeframe_is_heard(chosen: int) -> None:
    """With all weight on one timeframe, the slower bars of the others change no bit."""
    model, specimen = cross_timeframe()
    (fusion,) = model.fusions
    gate = fusion.get_submodule("gate")
    assert isinstance(gate, nn.Linear)
    with torch.no_grad():
        gate.bias[chosen] += 1_000
    windows = specimen.windows
    before = said_by(model(windows))
    for number, each in enumerate(specimen.inputs.slower, start=1):
        moved = {**windows.slower, each.timeframe: windows.slower[each.timeframe] + 1}
        after = said_by(model(type(windows)(windows.x_BTF, windows.t_B, windows.symbol_B, moved)))
        assert torch.equal(before, after) == (number != chosen)


def test_timeframes_share_no_weights() -> None:
    """Each slower timeframe has an embedding, an encoder and a look of its own."""
    model, specimen = cross_timeframe()
    for number, each in enumerate(specimen.inputs.slower):
        model.zero_grad()
        states_BLD = model.slower[number](specimen.windows.slower[each.timeframe])
        torch.autograd.backward(states_BLD.square().sum())
        reached = {n for n, p in model.named_parameters() if p.grad is not None}
        assert reached
        assert all(name.startswith(f"slower.{number}.") for name in reached)


@pytest.mark.parametrize("name", ATTENTIVE)
@pytest.mark.parametrize(("heads", "told"), [(0, "greater than or equal to 1"), (5, "heads is 5")])
def test_heads_that_do_not_divide_the_width_are_refused(name: str, heads: int, told: str) -> None:
    """The error names the setting, its value and what is allowed."""
    settings = MODELS[name].presets["small"].model_dump() | {"width": 32, "heads": heads}
    with pytest.raises(ConfigError, match=told) as raised:
        MODELS[name].configure(settings)
    assert "heads" in str(raised.value)
    if heads:
        assert "use 1, 2, 4, 8, 16, 32" in str(raised.value)


def test_a_timeframe_at_least_is_needed() -> None:
    """Without slower bars there is nothing to cross."""
    name = "CrossTimeframeTransformer"
    with pytest.raises(ConfigError, match=r"(?s)bars.*at least 1 item"):
        MODELS[name].configure(MODELS[name].presets["small"].model_dump() | {"bars": {}})


def test_dropout_by_bytes_drops_its_share() -> None:
    """It drops what it says, to 1/256, and keeps the mean and the gradient of what is kept."""
    torch.manual_seed(0)
    drop, x = ByteDropout(0.2), torch.ones(300, 1_001, requires_grad=True)
    kept = drop(x)
    assert (kept == 0).float().mean().item() == pytest.approx(51 / 256, abs=0.005)
    assert kept.mean().item() == pytest.approx(1, abs=0.005)
    (slope,) = torch.autograd.grad(kept.sum(), x)
    assert torch.equal(slope, kept)
    assert ((kept == 0) | (kept == 256 / 205)).all()


def test_dropout_by_bytes_is_dropout() -> None:
    """Off in eval and at a share of 0; the same seed drops the same, and rows differ."""
    drop, x = ByteDropout(0.5), torch.ones(64, 33)
    assert drop.eval()(x) is x
    assert ByteDropout(0.0)(x) is x
    first, again, other = (dropped(drop.train(), x, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def dropped(drop: nn.Module, x: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return drop(x)
