"""``python -m deploy``, the same as ``dpap``."""

from deploy.cli import main

if __name__ == "__main__":
    main()
