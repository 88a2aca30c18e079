"""Entry point of `python -m extract`."""

from extract.cli import app

if __name__ == "__main__":
    app(prog_name="python -m extract")
