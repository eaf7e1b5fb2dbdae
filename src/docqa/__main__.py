"""`python -m docqa` is `docqa`."""

from docqa.cli import main

if __name__ == "__main__":
    main()
