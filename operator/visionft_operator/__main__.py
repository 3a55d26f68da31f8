"""`python -m visionft_operator` is the same as the console script `visionft-operator`."""

from visionft_operator.main import main

if __name__ == "__main__":
    main()
