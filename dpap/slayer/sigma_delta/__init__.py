r"""Networks of stock ``slayer.block.sigma_delta`` blocks: to them and from them.

Stock blocks send changes and know no real unit of our choice: their messages are multiples of 1/(64 scale).
With whole numbers throughout, a block's message is its sum without the last :math:`\log_2 S` binary digits,
where S is the scale of the block *before*. So the shifts of our layers become scales, one layer earlier, and
back.
"""

from dpap.errors.renamed import old_names
from dpap.slayer.sigma_delta.convert import from_stock, is_stock
from dpap.slayer.sigma_delta.encoder import SlayerDeltaEncoder
from dpap.slayer.sigma_delta.export import to_stock
from dpap.slayer.sigma_delta.pool import MaxPool

__all__ = ["MaxPool", "SlayerDeltaEncoder", "from_stock", "is_stock", "to_stock"]

__getattr__ = old_names(__name__, {"DeltaEncoder": "SlayerDeltaEncoder"})
