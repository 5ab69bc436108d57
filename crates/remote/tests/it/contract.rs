//! A repository keeps what sources and sinks of content promise.

use wharfie_content::BoxError;
use wharfie_remote::{Destination, Error};
use wharfie_testkit::{TestRegistry, contract};

use crate::fixtures::{remote, repository};

#[test]
fn a_repository_keeps_what_sources_and_sinks_promise() {
    let registry = TestRegistry::start();
    let client = repository(&remote(), registry.address(), "team/web");
    let nowhere = |_: &_| Vec::new();
    let destination = Destination::new(&client, &nowhere);
    contract::a_graph_comes_back(&destination, &client);
    // The registry is the judge of what it is sent, but for its length.
    let is_refused = |why: &BoxError| {
        why.downcast_ref::<Error>().is_some_and(|why| why.has_code("DIGEST_INVALID") || matches!(why, Error::Local(_)))
    };
    contract::wrong_bytes_are_refused(&destination, is_refused);
}
