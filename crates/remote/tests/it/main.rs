//! The registry client against a real registry, and against servers that misbehave.

mod fixtures;
mod real;
