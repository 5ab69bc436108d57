//! The Dockerfile language: what a text says, what a build of it does, and what docker's checks say to it.
//!
//! Three layers: [`dockerfile`] takes a text apart into instructions with their lines, and knows words and their expansion;
//! [`plan`] says what the target needs done; [`lint`] what could be better. Pure values: nothing is read, run or fetched here.

pub mod call;
pub mod dockerfile;
mod error;
pub mod ignore;
pub mod lint;
pub mod path;
pub mod plan;

pub use error::{Error, Result};
pub use ignore::Ignore;
pub use plan::{Bases, Plan, Request};
