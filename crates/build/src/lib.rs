//! The Dockerfile language, as `commit --change` and `import --change` read it.
//!
//! Three layers: [`dockerfile::nodes`] takes a text apart into instructions with their lines, [`dockerfile::words`] and
//! [`dockerfile::expand`] say what stands in one. Pure values: nothing is read, run or fetched here.

pub mod dockerfile;
