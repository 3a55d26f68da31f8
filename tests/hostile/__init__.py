"""Two thousand samples of what goes wrong in data: each must be read rightly or refused with a reason.

`pictures` and `rows` make samples that know their outcome, `data_sets` writes them into containers, `read` reads one
data set in a process of its own with bounded memory, and the tests hold what came out against what the samples know.
"""
