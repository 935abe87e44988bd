"""Programs that reach for the machine. Each prints `safe` only where its reach was stopped and it lived on."""

from tests.program_cases.case import RIGHT, WRONG, Case, prints

_HEAD = """import ctypes, os, sys, signal, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
X86 = os.uname().machine == "x86_64"
def call(x86, arm, *arguments):
    number = x86 if X86 else arm
    return -1 if number is None else libc.syscall(ctypes.c_long(number), *arguments)
"""

# name: (what it reaches for, statements that set `through` to a true value where it got there)
_REACHES = {
    "read_shadow": ("a system secret", "through = open('/etc/shadow').read(1)"),
    "read_canary": ("a user's file", "through = open('@CANARY@/secret.txt').read()"),
    "read_home": ("the owner's home", "through = os.listdir(os.path.expanduser('~root') + '/.ssh') or True"),
    "list_root": ("names of the machine's folders", "through = [n for n in os.listdir('/') if n in ('home', 'root', 'var')]"),
    "own_memory": ("its memory by file, round the filter", "through = open('/proc/self/mem', 'rb')"),
    "parent_environment": ("the parent's environment", "through = open(f'/proc/{os.getppid()}/environ', 'rb').read()"),
    "own_environment": ("the owner's secrets", "through = [v for v in os.environ.values() if 'canary' in v]"),
    "parent_descriptors": ("the parent's files", "through = os.listdir(f'/proc/{os.getppid()}/fd')"),
    "parent_memory": (
        "the parent's memory",
        "b = ctypes.create_string_buffer(8); v = struct.pack('QQ', ctypes.addressof(b), 8)\n"
        "through = call(310, 270, os.getppid(), v, 1, v, 1, 0) > 0",
    ),
    "trace_parent": ("control of the parent", "through = libc.ptrace(16, os.getppid(), 0, 0) == 0"),
    "steal_descriptor": (
        "a descriptor of the parent",
        "fd = call(434, 434, os.getppid(), 0); through = fd >= 0 and call(438, 438, fd, 40, 0) >= 0",
    ),
    "kill_all": ("every process", "os.kill(-1, 9); through = True"),
    "kill_victim": ("a process of the owner", "os.kill(int('@VICTIM@'), 9); through = True"),
    "stop_parent": ("the fork-server", "os.kill(os.getppid(), signal.SIGSTOP); through = True"),
    "thread_kill": ("a signal by thread number", "through = call(234, 131, os.getppid(), os.getppid(), 9) == 0"),
    "queue_signal": ("a signal with a value", "through = call(129, 138, os.getppid(), 9, bytes(128)) == 0"),
    "raw_fork": ("a process by system call", "pid = call(57, None)\nif pid == 0: os._exit(0)\nthrough = pid > 0"),
    "vfork": ("a process by vfork", "through = call(58, None) > 0"),
    "clone3": ("a process by the newer call", "through = call(435, 435, bytes(88), 88) >= 0"),
    "execute": ("another program", "libc.execv(b'/bin/sh', (ctypes.c_char_p * 2)(b'sh', None)); through = False"),
    "execute_at": ("another program by descriptor", "through = call(322, 281, -100, b'/bin/sh', 0, 0, 0) == 0"),
    "memory_file": ("an executable in memory", "through = call(319, 279, b'x', 0) >= 0"),
    "secret_memory": ("memory that none can see", "through = call(447, 447, 0) >= 0"),
    "tcp": ("the network", "socket.create_connection(('127.0.0.1', @TCP@), 1); through = True"),
    "udp": ("the network, without a connection", "socket.socket(2, 2).sendto(b'x', ('127.0.0.1', @UDP@)); through = True"),
    "netlink": ("the kernel's own sockets", "through = socket.socket(16, 3, 0)"),
    "packet": ("raw packets", "through = socket.socket(17, 3, 0)"),
    "vsock": ("the host of a virtual machine", "through = socket.socket(40, 1, 0)"),
    "unix": ("a socket in a folder", "socket.socket(1).connect('@CANARY@/sock'); through = True"),
    "abstract": ("a socket without a folder", "socket.socket(1).connect('\\0@ABSTRACT@'); through = True"),
    "socket_pair": ("sockets to pass descriptors on", "through = socket.socketpair()"),
    "io_uring": ("system calls past the filter", "through = call(425, 425, 4, ctypes.create_string_buffer(120)) >= 0"),
    "userfaultfd": ("page faults of the kernel", "through = call(323, 282, 0) >= 0"),
    "bpf": ("code in the kernel", "through = call(321, 280, 0, bytes(120), 120) >= 0"),
    "perf": ("counters of the kernel", "through = call(298, 241, bytes(120), 0, -1, -1, 0) >= 0"),
    "keyring": ("keys that outlive it", "through = call(248, 217, b'user', b'k', b'v', 1, -3) >= 0"),
    "shared_memory": ("System V memory", "through = call(29, 194, 0x5b5c, 4096, 0o1666) >= 0"),
    "semaphores": ("System V semaphores", "through = call(64, 190, 0x5b5c, 1, 0o1666) >= 0"),
    "message_queue": ("System V queues", "through = call(68, 186, 0x5b5c, 0o1666) >= 0"),
    "posix_queue": ("POSIX queues", "through = call(240, 180, b'selfplay', 0o102, 0o666, None) >= 0"),
    "named_semaphore": ("a file in shared memory", "through = open('/dev/shm/selfplay_sem', 'w')"),
    "inotify": ("watches, which are few", "through = call(294, 26, 0) >= 0"),
    "timer": ("timers, which are few", "through = call(222, 107, 1, None, bytes(8)) == 0"),
    "mount": ("the file system's shape", "through = libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0"),
    "new_mount": ("mounts by the newer calls", "through = call(430, 430, b'tmpfs', 0) >= 0 or call(428, 428, -100, b'/', 1) >= 0"),
    "chroot": ("another root", "os.chroot('/usr'); through = True"),
    "user_namespace": ("rights in a namespace", "through = libc.unshare(0x10000000) == 0"),
    "file_handle": ("a file by handle", "through = call(303, 264, -100, b'/', bytes(136), bytes(4), 0) == 0"),
    "become_root": ("identity", "os.setresuid(0, 0, 0); through = True"),
    "gain_rights": ("capabilities", "through = call(126, 91, struct.pack('Ii', 0x20080522, 0), b'\\xff' * 24) == 0"),
    "raise_limits": ("its limits", "import resource; resource.setrlimit(resource.RLIMIT_CPU, (999, 999)); through = True"),
    "limits_of_others": ("another's limits", "through = call(302, 261, os.getppid(), 7, bytes(16), None) == 0"),
    "dumpable": ("its own protection", "through = libc.prctl(4, 1, 0, 0, 0) == 0"),
    "loosen_filter": ("the filter", "through = call(317, 277, 1, 0, bytes(16)) == 0 or libc.prctl(22, 1, 0, 0, 0) == 0"),
    "clock": ("the clock", "import time; time.clock_settime(time.CLOCK_REALTIME, time.time()); through = True"),
    "affinity": ("other cores", "os.sched_setaffinity(0, {0}); through = True"),
    "lock_memory": ("locked memory", "through = libc.mlockall(3) == 0"),
    "terminal": ("the owner's terminal", "import fcntl; fcntl.ioctl(0, 0x5412, b'x'); through = True"),
    "signal_owner": ("signals through a file", "import fcntl; fcntl.fcntl(1, 8, os.getppid()); through = True"),
    "poison_library": ("the next program's library", "through = open(os.__file__, 'a')"),
    "plant_module": ("the next program's imports", "through = open(os.path.dirname(os.__file__) + '/planted.py', 'w')"),
    "temporary": ("files that stay", "through = open('/tmp/selfplay_left', 'w')"),
    "rename": ("another's file", "os.rename('@CANARY@/victim.txt', '@CANARY@/v2.txt'); through = True"),
    "link": ("another's file by link", "os.link('@CANARY@/victim.txt', '@CANARY@/v3.txt'); through = True"),
    "truncate": ("another's content", "os.truncate('@CANARY@/victim.txt', 0); through = True"),
    "times": ("another's times", "os.utime('@CANARY@/victim.txt', (1, 1)); through = True"),
    "attributes": ("another's attributes", "os.setxattr('@CANARY@/victim.txt', 'user.a', b'x'); through = True"),
    "remove_tree": ("another's folder", "import shutil; shutil.rmtree('@CANARY@/tree'); through = not os.path.exists('@CANARY@')"
                    " or None"),
    "descriptors": ("descriptors left open", "through = [n for n in range(5, 1024) if libc.fcntl(n, 1) >= 0]"),
    "change_input": ("its own input, which the judge holds", "through = os.pwrite(0, b'x', 0)"),
}  # fmt: skip

_FRAME = (
    _HEAD
    + """through = None
try:
    {body}
except (OSError, ValueError, AttributeError):
    pass
print("PWNED " + str(through)[:80] if through else "safe")
"""
)

REACHES = [
    Case(name, f"reaches for {what}", _FRAME.format(body=body.replace("\n", "\n    ")), prints(("", "safe\n")), RIGHT)
    for name, (what, body) in _REACHES.items()
]

# What cannot live on: ended, whatever the machine's load, and nobody else feels it.
_EXHAUST = {
    "threads": ("threads without end", "import threading, time\nthreading.stack_size(32768)\nwhile True:\n"
                "    threading.Thread(target=time.sleep, args=(99,), daemon=True).start()"),
    "memory": ("memory", "x = []\nwhile True: x.append(bytearray(1 << 20))"),
    "shared_pages": ("memory that fork would share", "import mmap\nx = [mmap.mmap(-1, 64 << 20) for _ in range(99)]\n"
                     "for m in x: m.write(b'x' * (64 << 20))"),
    "output": ("output", "while True: print('x' * 100000)"),
    "raw_output": ("output, past Python", "import os\nwhile os.write(1, b'x' * 100000): pass"),
    "deaf": ("CPU time, deaf to signals", "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
             "    except (OSError, ValueError): pass\nwhile True: pass"),
    "busy_threads": ("CPU time in threads", "import threading\nfor _ in range(8): threading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()"),
    "sleep": ("wall time", "import time\ntime.sleep(9999)"),
    "wait_forever": ("wall time, by a lock", "import threading\nthreading.Lock().acquire() and threading.Event().wait()"),
    "exit_function": ("wall time at its end", "import atexit, time\natexit.register(time.sleep, 9999)\nprint('safe')"),
    "crash": ("its own life", "import ctypes\nctypes.string_at(0)"),
    "abort": ("its own life by abort", "import os\nos.abort()"),
    "deep_c": ("the C stack", "import sys\nsys.setrecursionlimit(10**9)\nf = lambda x: list(map(f, [x]))\nf(0)"),
    "other_door": ("system calls by their x32 numbers", "import ctypes\nctypes.CDLL(None).syscall(0x40000000 + 57)\nprint('safe')"),
    "regex": ("CPU time in C", "import re\nre.match('(a+)+$', 'a' * 60 + 'b')\nprint('safe')"),
    "power": ("CPU time in one operation", "x = 9 ** 9 ** 9\nprint('safe')"),
    "open_files": ("descriptors", "import os\nx = []\nwhile True: x.append(os.dup(0))"),
    "pipes": ("pipes' memory", "import os\nx = []\nwhile True: x.append(os.pipe())"),
}  # fmt: skip

EXHAUSTS = [
    Case(name, f"uses up {what}", body, prints(("", "safe\n")), WRONG) for name, (what, body) in _EXHAUST.items()
]
