"""One compiled loop over many tensors: `flat` gathers them, `tape` and `program` compile a rule for them."""
