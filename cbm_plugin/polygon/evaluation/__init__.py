"""IoU and mask AP of what was outlined; imports annotation and below."""
