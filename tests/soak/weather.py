"""An upstream whose behaviour changes with each request, and which goes away and comes back."""

import random
import threading
from collections import Counter

from tests.soak.catalogue import ASSET_HOST, PAGE_HOST, Item, Page
from tests.upstream.pki import Authority
from tests.upstream.resource import Behaviour, Resource
from tests.upstream.scripted import Upstream
from tests.upstream.wire import Request

_BAD_CHANCE = 0.35
# Each takes its time: more of them, and clients would do little else than wait.
_RARE = frozenset({Behaviour.STALL_MID, Behaviour.INFINITE, Behaviour.SLOW})


class Weather(Upstream):
    """Serves a catalogue; while it is `calm`, as the rules say."""

    def __init__(self, authority: Authority, items: dict[tuple[str, str], Item], seed: str) -> None:
        super().__init__(authority, ASSET_HOST, PAGE_HOST)
        self.calm = True
        self.behaved: Counter[str] = Counter()
        self._items = items
        self._versions: Counter[str] = Counter()
        self._chance = random.Random(f"{seed} weather")
        self._deciding = threading.Lock()

    def _find(self, request: Request) -> tuple[Resource, int] | None:
        item = self._items.get((request.host, request.path))
        if item is None:
            return None
        with self._deciding:
            behaviour = Behaviour.OK
            if not self.calm and self._chance.random() < _BAD_CHANCE:
                behaviour = self._chance.choice(item.behaviours)
                if behaviour in _RARE and self._chance.random() < 0.7:
                    behaviour = Behaviour.RESET_MID
            self.behaved[behaviour] += 1
            nth = 1 if behaviour is Behaviour.WRONGBYTES_ONCE else self._chance.randrange(1, 7)
            if not isinstance(item, Page):
                etag = '"asset"' if self._chance.random() < 0.8 else None
                return Resource(item.body, behaviour, etag=etag), nth
            if self._chance.random() < 0.1:
                self._versions[item.path] += 1
            number = self._versions[item.path]
            age = self._chance.choice(("max-age=0", "max-age=1", "max-age=60", "no-store"))
            return Resource(
                item.version(number), behaviour, etag=f'"{number}"', cache_control=age, content_type="text/html"
            ), nth
