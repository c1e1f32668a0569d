"""The model, from a crop to the cells of an outline; imports data and geometry."""
