"""`python -m flowaudit`."""

from flowaudit.cli import main

if __name__ == "__main__":
    main()
