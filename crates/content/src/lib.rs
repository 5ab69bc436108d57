//! How described bytes move: sources, sinks, verification, events.
