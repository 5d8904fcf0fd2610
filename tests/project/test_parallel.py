import threading

import pytest

from irmas_utils.project import parallel


def test_few_items_start_no_process():
    here = threading.current_thread()
    found = parallel.run(lambda item: (item, threading.current_thread()), range(15), jobs=2)
    assert list(found) == [(item, here) for item in range(15)]


def test_many_items_come_back_in_their_order_from_processes():
    assert [*parallel.run(abs, range(-16, 0), jobs=2, chunk=2)] == [*range(16, 0, -1)]
    with pytest.raises(Exception, match="(?i)pickle"):  # what has no name cannot be sent to one
        list(parallel.run(lambda item: item, range(16), jobs=2, chunk=2))
