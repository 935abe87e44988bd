"""One pass of tasks through samplers and verifiers, streaming, in this process or on Ray."""
