//! The verbs on a store of their own, without the program: what they decide, and in which words they refuse.

mod containers;
mod documents;
mod events;
mod listing;
mod moving;
mod networks;
mod place;
mod removing;
mod restoring;
mod volumes;
