"""From accepted traces to the model of the next round."""
