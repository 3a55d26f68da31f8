"""From a folder of weights to a model that trains: loading, quantisation, adapters."""
