"""Methods: what turns a gradient and a rate into an update, and what is done beside it.

`rules` are the updates, `optimizers` drive them; averaging of weights, initial weights, augmentation and stopping rules
lie beside them.
"""
