//! What clients send to the registry: no path, query, range or manifest makes reading it panic, and what is read keeps its
//! promises.

use wharfie_oci::MediaType;
use wharfie_registry::parsers::{Query, Route, Wanted, chunk, manifest, wanted};

/// Insists on it for one input: a path with its query, a range, and a manifest with its type.
pub(crate) fn run(bytes: &[u8]) {
    let mut parts = bytes.splitn(4, |byte| *byte == b'\n');
    let mut text = || std::str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default();
    let (target, range, media_type) = (text(), text(), text());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match Route::parse(path) {
        Ok(route) => {
            let name = route.repository().map_or("", |name| name.as_str());
            assert!(name.len() <= 255 && !name.split('/').any(|part| part.starts_with('.')), "{name:?}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/._-".contains(&b)));
        }
        Err(refusal) => assert!(refusal.status().is_client_error()),
    }
    let _ = Query::parse(query);
    for size in [0, 1, 1000] {
        if let Wanted::Part { first, last } = wanted(range, size) {
            assert!(first <= last && last < size, "{range:?} of {size}");
        }
    }
    if let Some((first, count)) = chunk(range) {
        assert!(count > 0 && first.checked_add(count - 1).is_some(), "{range:?}");
    }
    let body = parts.next().unwrap_or_default();
    if let Ok(document) = manifest(body, &MediaType::new(media_type)) {
        assert!(document.blobs.is_empty() || document.children.is_empty());
        assert!(document.media_type.is_manifest() != document.media_type.is_index());
    }
}
