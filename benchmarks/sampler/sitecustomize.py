"""Sample what each Python process spends its CPU time on; see `cpu_seconds.py`.

Python imports this by itself where the folder is on PYTHONPATH. A thread looks at the main
thread's stack some fifty times a second of CPU time, all threads' time being what the main thread
waits for, and keeps the sums in a file a process.
"""

import json
import os
import sys
import threading
import time

FOLDER = os.environ.get("IRMAS_CPU_SECONDS")


def cause(frame) -> str:
    """Name the package that is being imported, or the innermost module of ours on the stack."""
    ours = imported = None
    while frame is not None:
        file = frame.f_code.co_filename
        if frame.f_code.co_name == "_find_and_load" and "importlib" in file:
            name = frame.f_locals.get("name", "")
            imported = imported if name.startswith("irmas_utils") else name.partition(".")[0]
        elif ours is None and "/irmas_utils/" in file:
            ours = file.rpartition("/irmas_utils/")[2].removesuffix(".py")
        frame = frame.f_back
    if imported:
        return f"import {imported}"
    return ours or " ".join(os.path.basename(word) for word in sys.argv[:1] or ["python"])


def watch() -> None:
    main, spent, sums, looks = threading.main_thread().ident, 0.0, {}, 0
    while True:
        time.sleep(0.02)
        now = time.process_time()
        frame = sys._current_frames().get(main)
        if now - spent < 0.01 or frame is None:
            continue
        name = cause(frame)
        sums[name] = sums.get(name, 0) + now - spent
        spent, looks = now, looks + 1
        if looks % 25 == 0:
            with open(f"{FOLDER}/{os.getpid()}.json", "w") as file:
                json.dump(sums, file)


if FOLDER:
    threading.Thread(target=watch, daemon=True).start()
