from lava.proc.embedded_io import spike as spike
