//! The verbs: pull, push, load, save, tag, remove, inspect.
