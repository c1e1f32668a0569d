"""Frames that can be made again: kept for backward as what they were made of.

The output of a layer is the input of the next, which needs it in backward. It is the product of
two tensors that are kept anyway, so it is made again when backward comes to it, at the cost of one
pointwise pass, instead of being kept: a third of the memory of a deep stack.
"""

from typing import Any, Callable, NamedTuple, Optional, Tuple

from torch import Tensor


class Recipe(NamedTuple):
    """How to make a tensor again: ``make(*ingredients)``."""

    make: Callable[..., Tensor]
    ingredients: Tuple[Optional[Tensor], ...]


def attach(frames: Tensor, recipe: Recipe) -> Tensor:
    """``frames`` itself, which now knows how it was made."""
    frames.recipe = (recipe, frames._version)  # type: ignore[attr-defined]
    return frames


def recipe_of(frames: Tensor) -> Recipe:
    """How ``frames`` was made; frames that are nobody's product are their own ingredient."""
    recipe, version = getattr(frames, 'recipe', (None, None))
    if recipe is None or version != frames._version:  # changed in place since
        return Recipe(_itself, (frames,))
    return recipe


def save(ctx: Any, recipe: Recipe, *others: Tensor) -> None:
    """Keep for backward: a recipe's ingredients, then ``others``."""
    ctx.make, ctx.number = recipe.make, len(recipe.ingredients)
    ctx.save_for_backward(*recipe.ingredients, *others)


def restore(ctx: Any) -> Tuple[Tensor, Tuple[Tensor, ...]]:
    """What :func:`save` kept: the frames, made again, and the others."""
    saved = ctx.saved_tensors
    return ctx.make(*saved[: ctx.number]), saved[ctx.number :]


def _itself(frames: Tensor) -> Tensor:
    return frames
