"""One driver a store; `base` is the contract, `registry` the list."""
