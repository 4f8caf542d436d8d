"""Constants of SD-SNN under which small networks develop within a few epochs."""

import dpap

MILD = dpap.StructureConfig(pruning_percent=10, gain=0, gain_decay=1, growth_percentile=50, alive_weights=1)
QUICK = dpap.SDSNNConfig(patience=1, conv=MILD, dense=MILD)
