"""`python -m crypto_nn` is `crypto-nn`."""

from crypto_nn.cli import main

if __name__ == "__main__":
    main()
