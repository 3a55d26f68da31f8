"""Code as models bring it along: stand-ins, copied beside the weights of tiny models.

The authors' own code is not part of any package and does not run on today's transformers. These take over what is
published of it: the `model_type`, the names of all layers that LoRA and quantisation tell apart, and how a picture is
cut and put together. Inputs have the form that docs/remote-code.md asks of a ported copy. What happens inside a layer
is simpler than with the authors, and where transformers has the layer (Phi-3, Llama, CLIP) it is that one.
"""
