# SPDX-License-Identifier: ISC
"""mtasts serve for a Postfix, with stores of its own."""
import os
import shutil

from servers import resolver

USER = "mtasts"
SETTINGS = "/etc/mtasts/mtasts.conf"


class Ours(resolver.Resolver):
    def __init__(self, folder):
        super().__init__(folder, USER, "socketmap")
        self.folder, self.number = folder, 0
        self.fresh()

    def fresh(self, **changes):
        """A store where nothing is known."""
        self.number += 1
        place = f"{self.folder}/store{self.number}"
        os.makedirs(place)
        os.chmod(place, 0o2770)
        shutil.chown(place, USER, USER)
        self.store = f"{place}/mtasts.db"
        settings = {"store": self.store, "nameservers": "127.0.0.1", "log_level": "info"} | changes
        with open(f"{SETTINGS}.new", "w", encoding="utf-8") as out:
            out.write("".join(f"{name} = {value}\n" for name, value in settings.items()))
        os.replace(f"{SETTINGS}.new", SETTINGS)
