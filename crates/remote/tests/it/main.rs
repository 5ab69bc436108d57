//! The registry client against a real registry, and against servers that misbehave.

mod auth;
mod blobs;
mod contract;
mod credentials;
mod doors;
mod failures;
mod fixtures;
mod manifests;
mod push;
mod real;
mod redirects;
mod search;
mod tags;
