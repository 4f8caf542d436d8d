"""What the interpreter of Triton 2.3 lacks for the kernels of this package.

It runs kernels on the CPU with numpy, where ``TRITON_INTERPRET=1`` was set before Triton was imported. Its
builder knows no 32-bit and no 1-bit integer types, it cannot reduce to a single number, and it adapts the
language anew for every function called.
"""

from functools import cache

import numpy as np
import triton.language as tl
from triton.runtime import interpreter


def complete() -> None:
    """Add what is missing, once in a process."""
    for name, dtype in {"get_int1_ty": tl.int1, "get_int32_ty": tl.int32}.items():
        setattr(interpreter.builder, name, lambda dtype=dtype: dtype)
    interpreter._patch_lang_tensor = cache(interpreter._patch_lang_tensor)
    interpreter._patch_lang_math = cache(interpreter._patch_lang_math)
    interpreter._patch_lang_core = cache(_with_full_sums(interpreter._patch_lang_core))


def _with_full_sums(adapt):
    def adapted(language, builder):
        adapt(language, builder)
        reduce = language.reduce

        def reduced(values, axis, combine):
            if values.handle.data.ndim > 1:
                return reduce(values, axis, combine)
            assert combine.fn.__name__ == "_sum_combine"
            total = np.array([values.handle.data.sum()])
            return tl.core.tensor(interpreter.TensorHandle(total, values.dtype), values.dtype)

        language.reduce = reduced

    return adapted
