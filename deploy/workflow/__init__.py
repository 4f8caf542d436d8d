"""From a trained run to its report; the demonstration."""
