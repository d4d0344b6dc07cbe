"""`python -m assetmill.cli` is the program without its installed script; child processes use it."""

from assetmill.cli import main

main()
