"""Prices of generations in credits, close to BFL's price list."""

BY_MODEL = {
    "flux-2-max": 7.000000000000001,
    "flux-2-pro": 3.0,
    "flux-2-flex": 5.0,
    "flux-2-klein-4b": 1.4,
    "flux-2-klein-9b": 1.5,
    "flux-kontext-max": 8.0,
    "flux-kontext-pro": 4.0,
    "flux-pro-1.1-ultra": 6.0,
    "flux-pro-1.1": 4.0,
    "flux-dev": 2.5,
    "flux-3-video": 50.0,
}
USUAL = 5.0


def cost(model: str) -> float:
    return BY_MODEL.get(model, BY_MODEL.get(model.removesuffix("-preview"), USUAL))
