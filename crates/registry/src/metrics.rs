//! Numbers of a running registry, as Prometheus reads them.
//! Source: Prometheus' text exposition format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::{Method, StatusCode};

/// What has been counted since the start.
#[derive(Default)]
pub(crate) struct Metrics(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    /// By method and status.
    requests: BTreeMap<(&'static str, u16), u64>,
    took: Duration,
    collections: u64,
    reclaimed: u64,
}

/// The type of the text.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4";

impl Metrics {
    /// A request was answered.
    pub(crate) fn answered(&self, method: &Method, status: StatusCode, took: Duration) {
        // A client may invent methods; they are not kept apart.
        let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
        let name = known.iter().position(|one| one == method).map_or("other", |at| names[at]);
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counted.requests.entry((name, status.as_u16())).or_default() += 1;
        counted.took += took;
    }

    /// A collection has ended.
    pub(crate) fn collected(&self, bytes: u64) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.collections += 1;
        counted.reclaimed += bytes;
    }

    /// The text; `receiving` uploads are under way.
    pub(crate) fn text(&self, receiving: usize) -> String {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        let head = |text: &mut String, name: &str, kind: &str, help: &str| {
            write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n").expect("a String takes everything");
        };
        head(&mut text, "wharfie_registry_requests_total", "counter", "Requests answered.");
        for ((method, status), count) in &counted.requests {
            writeln!(text, "wharfie_registry_requests_total{{method=\"{method}\",code=\"{status}\"}} {count}")
                .expect("a String takes everything");
        }
        let seconds = counted.took.as_secs_f64();
        let values = [
            (
                "wharfie_registry_answering_seconds_total",
                "counter",
                "Time until requests were answered.",
                seconds.to_string(),
            ),
            ("wharfie_registry_receiving_uploads", "gauge", "Uploads that receive now.", receiving.to_string()),
            ("wharfie_registry_collections_total", "counter", "Collections ended.", counted.collections.to_string()),
            (
                "wharfie_registry_reclaimed_bytes_total",
                "counter",
                "Bytes of data removed.",
                counted.reclaimed.to_string(),
            ),
        ];
        for (name, kind, help, value) in values {
            head(&mut text, name, kind, help);
            writeln!(text, "{name} {value}").expect("a String takes everything");
        }
        text
    }
}
