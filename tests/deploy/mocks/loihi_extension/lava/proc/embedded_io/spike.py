"""Mock of the extension's adapters: they pass messages on, between processes on the CPU."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Adapter(AbstractProcess):
    def __init__(self, shape, num_message_bits=0):
        super().__init__(shape=shape)
        self.inp = InPort(shape=shape)
        self.out = OutPort(shape=shape)


class PyToNxAdapter(Adapter):
    pass


class PyToN3ConvAdapter(Adapter):
    def __init__(self, shape, num_message_bits=0):
        assert len(shape) == 3
        super().__init__(shape, num_message_bits)


class NxToPyAdapter(Adapter):
    pass


class AdapterModel(PyLoihiProcessModel):
    inp: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self):
        self.out.send(self.inp.recv())


@implements(proc=PyToNxAdapter, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyToNxModel(AdapterModel):
    pass


@implements(proc=PyToN3ConvAdapter, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyToN3ConvModel(AdapterModel):
    pass


@implements(proc=NxToPyAdapter, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class NxToPyModel(AdapterModel):
    pass
