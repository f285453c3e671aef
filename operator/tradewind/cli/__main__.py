"""`python -m tradewind.cli`: the same program, where no script is installed."""

from tradewind.cli.main import main

main()
