"""The frame, and below it the best classes with their scores over time."""
from collections import deque
from typing import Deque, Sequence

import cv2
import numpy as np

MIN_WIDTH = 480  # narrower videos get black margins, so that the text fits
ROW = 24  # pixels, even: encoders want even sizes
TEXT_WIDTH = 240
LIVE_SPAN = 300  # frames: 10 s at 30 fps


class Panel:
    """Draws one output frame after the other; remembers the scores of ``span`` frames.

    Args:
        names: of all classes.
        topk: how many of them to show.
        span: frames from the left end of the timeline to the right. 0: no end is known, and the
            timeline rolls.
    """

    def __init__(self, names: Sequence[str], topk: int, span: int = 0) -> None:
        self.names, self.topk = names, min(topk, len(names))
        self.span = min(span or LIVE_SPAN, 10_000)
        self.history: Deque[np.ndarray] = deque(maxlen=self.span)

    def draw(self, frame: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """A BGR frame ``(H, W, 3)`` and its scores ``(K,)`` -> the frame with the panel below."""
        self.history.append(scores)
        height, width = frame.shape[:2]
        wide = max(width + width % 2, MIN_WIDTH)
        tall = height + height % 2
        canvas = np.zeros((tall + self.topk * ROW, wide, 3), np.uint8)
        left = (wide - width) // 2
        canvas[:height, left:left + width] = frame
        for row, index in enumerate(np.argsort(-scores, kind='stable')[:self.topk]):
            self._draw_row(canvas[tall + row * ROW:][:ROW], int(index), float(scores[index]))
        return canvas

    def _draw_row(self, row: np.ndarray, index: int, score: float) -> None:
        text = f'{score:.2f} {self.names[index][:22]}'
        cv2.putText(row, text, (4, ROW - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1,
                    cv2.LINE_AA)
        values = np.array([scores[index] for scores in self.history])
        width = max(1, round((row.shape[1] - TEXT_WIDTH) * len(values) / self.span))
        grey = (255 * values.clip(0, 1)).astype(np.uint8)[None]
        strip = cv2.resize(grey, (width, ROW - 4), interpolation=cv2.INTER_NEAREST)
        row[2:-2, TEXT_WIDTH:TEXT_WIDTH + width] = cv2.applyColorMap(strip, cv2.COLORMAP_VIRIDIS)
