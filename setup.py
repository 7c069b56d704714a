"""What setup.cfg cannot say: the man pages are made from the commands when minidock is built."""

import os
import sys

from setuptools import Distribution, setup

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


class InstallData(Distribution().get_command_class("install_data")):
    """setup.cfg's data files, and share/man/man1."""

    def run(self) -> None:
        from minidock.cli import man_pages

        self.data_files.append(("share/man/man1", man_pages.write(os.path.join("build", "man"))))
        super().run()


setup(cmdclass={"install_data": InstallData})
