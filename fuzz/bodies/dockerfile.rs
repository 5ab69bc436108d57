//! Dockerfiles: no text makes parsing or expansion panic, and its lines are counted upwards.

use wharfie_build::dockerfile::words::{name_values, parse_json_words};
use wharfie_build::dockerfile::{Dockerfile, Expansion, Variables};

/// Insists on it for one input.
pub(crate) fn run(text: &str) {
    let Ok(Dockerfile { escape, nodes, .. }) = Dockerfile::parse(text) else { return };
    let variables = Variables::from([("A".to_owned(), "a*b".to_owned()), ("E".to_owned(), String::new())]);
    let expansion = Expansion { variables: &variables, escape };
    let mut before = 0;
    for node in nodes {
        assert!(before < node.lines.first && node.lines.first <= node.lines.last, "lines are counted upwards");
        before = node.lines.last;
        let _ = expansion.words(&node.rest);
        let _ = expansion.word(&node.rest);
        let _ = name_values(&node.keyword, &node.rest, escape);
        let _ = parse_json_words(&node.rest);
    }
}
