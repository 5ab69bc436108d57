//! Blobs over connections that break and from servers that lie.

use wharfie_content::Mismatch;
use wharfie_oci::{Descriptor, MediaType};
use wharfie_remote::{Config, Keychain, Remote};
use wharfie_testkit::FaultyServer;
use wharfie_testkit::faulty_server::{Heard, reply};

use crate::fixtures::{Waits, config, download, layer, noise, refusal, repository, watch, web};

/// Where the range that was asked for begins.
fn start_of(request: &Heard) -> Option<usize> {
    request.header("range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
}

/// An answer that promises all of `content` and breaks off in the middle.
fn half(content: &[u8]) -> Vec<u8> {
    reply(200, &[("Content-Length", &content.len().to_string())], &content[..content.len() / 2])
}

fn part(content: &[u8], from: usize) -> Vec<u8> {
    let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
    reply(206, &[("Content-Range", &range)], &content[from..])
}

#[test]
fn a_broken_download_goes_on_where_it_broke() {
    let content = noise(300_000);
    let served = content.clone();
    let server = FaultyServer::start(move |request| match start_of(request) {
        None => half(&served),
        Some(from) => part(&served, from),
    });
    let waits = Waits::default();
    assert_eq!(download(&web(server.address()), &layer(&content), watch(&waits)).unwrap(), content);
    assert_eq!(waits.seconds(), [5, 4, 3, 2, 1]);
    assert_eq!(server.heard()[1].header("range"), Some("bytes=150000-"));
}

#[test]
fn an_endless_blob_is_left_after_one_byte_too_many() {
    let server = FaultyServer::start(|_| reply(200, &[], &noise(300_000)));
    let mut bytes = Vec::new();
    let mut reader = web(server.address()).blob(&layer(&noise(1000)), watch(&())).unwrap();
    std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
    assert_eq!(bytes.len(), 1001);
    assert_eq!(server.heard().len(), 1);
}

#[test]
fn a_server_without_ranges_is_read_again() {
    let content = noise(300_000);
    let served = content.clone();
    let server = FaultyServer::start(move |request| match request.earlier {
        0 => half(&served),
        _ => reply(200, &[], &served),
    });
    assert_eq!(download(&web(server.address()), &layer(&content), watch(&())).unwrap(), content);
    assert_eq!(server.heard().len(), 2);
}

#[test]
fn bodies_without_length_are_not_trusted_to_be_whole() {
    let content = noise(300_000);
    let served = content.clone();
    let server = FaultyServer::start(move |request| match start_of(request) {
        None => [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice(), &served[..1000]].concat(),
        Some(from) => part(&served, from),
    });
    assert_eq!(download(&web(server.address()), &layer(&content), watch(&())).unwrap(), content);
    assert_eq!(server.heard()[1].header("range"), Some("bytes=1000-"));
}

#[test]
fn another_range_than_asked_for_is_not_used() {
    let content = noise(300_000);
    let served = content.clone();
    let server = FaultyServer::start(move |request| match start_of(request) {
        None => half(&served),
        Some(_) => part(&served, 7),
    });
    let refused = download(&web(server.address()), &layer(&content), watch(&())).unwrap_err();
    assert!(refused.to_string().contains("another range"), "{refused}");
}

#[test]
fn a_connection_that_always_breaks_is_given_up() {
    let content = noise(300_000);
    let served = content.clone();
    let server = FaultyServer::start(move |_| half(&served));
    let waits = Waits::default();
    let refused = download(&web(server.address()), &layer(&content), watch(&waits)).unwrap_err();
    assert!(refused.to_string().ends_with("EOF"), "{refused}");
    assert_eq!(waits.seconds().len(), 5 + 10 + 15 + 20);
    assert_eq!(server.heard().len(), 5);
}

#[test]
fn lies_about_size_and_content_are_found_out() {
    fn check(content: &'static [u8], is_size: bool) {
        let server = FaultyServer::start(|_| reply(200, &[], content));
        let refused = download(&web(server.address()), &layer(b"right bytes"), watch(&())).unwrap_err();
        let mismatch = Mismatch::within(&refused).unwrap();
        assert_eq!(matches!(mismatch, Mismatch::Size { .. }), is_size, "{mismatch}");
        assert_eq!(server.heard().len(), 1);
    }
    check(b"wrong bytes", false);
    check(b"short", true);
    check(b"far too many bytes", true);
}

#[test]
fn servers_that_ask_for_time_get_it() {
    let server = FaultyServer::start(|request| match request.earlier {
        0 => reply(503, &[("Retry-After", "2")], b""),
        1 => {
            let (date, after) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:40 GMT");
            reply(429, &[("Date", date), ("Retry-After", after)], b"")
        }
        2 => reply(500, &[], b""),
        _ => reply(200, &[], b"content"),
    });
    let waits = Waits::default();
    assert_eq!(download(&web(server.address()), &layer(b"content"), watch(&waits)).unwrap(), b"content");
    assert_eq!(waits.seconds(), [vec![2, 1], vec![3, 2, 1], (1..=15).rev().collect()].concat());
}

#[test]
fn refusals_are_not_repeated() {
    for (status, header) in [(403, None), (404, None), (429, None), (429, Some(("Retry-After", "86400")))] {
        let headers: Vec<(&str, &str)> = header.into_iter().collect();
        let server = FaultyServer::start(move |_| reply(status, &headers, br#"{"errors":[{"code":"UNKNOWN"}]}"#));
        let waits = Waits::default();
        let refused = web(server.address()).blob(&layer(b"x"), watch(&waits)).map(drop).unwrap_err();
        assert_eq!((refused.status(), refused.to_string()), (Some(status), "unknown".to_owned()));
        assert_eq!((waits.seconds().len(), server.heard().len()), (0, 1));
    }
}

#[test]
fn foreign_layers_are_fetched_from_elsewhere() {
    let elsewhere = FaultyServer::start(|_| reply(200, &[], b"windows"));
    let registry = FaultyServer::start(|_| refusal(404, "BLOB_UNKNOWN", "blob unknown to registry"));
    let urls = vec!["file:///etc/passwd".to_owned(), format!("http://{}/base.tar.gz", elsewhere.address())];
    let blob = Descriptor { urls: Some(urls), ..Descriptor::of(MediaType::DOCKER_FOREIGN_LAYER, b"windows") };
    assert_eq!(download(&web(registry.address()), &blob, watch(&())).unwrap(), b"windows");
    assert_eq!(elsewhere.lines(), ["GET /base.tar.gz"]);
    assert_eq!(registry.heard().len(), 1);
}

fn in_ranges() -> Remote {
    let config = Config { range_threshold: 1 << 20, ranges_on_loopback: true, ..config() };
    Remote::new(config, Keychain::anonymous())
}

fn ranged(content: &[u8], request: &Heard) -> Vec<u8> {
    let bounds: Vec<usize> = request.header("range").expect("ranges are asked for")["bytes=".len()..]
        .split('-')
        .filter_map(|n| n.parse().ok())
        .collect();
    let last = bounds.get(1).copied().unwrap_or(content.len() - 1);
    let range = format!("bytes {}-{last}/{}", bounds[0], content.len());
    reply(206, &[("Content-Range", &range)], &content[bounds[0]..=last])
}

#[test]
fn ranges_survive_a_part_that_breaks() {
    let content = noise((5 << 20) + 1);
    let served = content.clone();
    let server = FaultyServer::start(move |request| {
        if request.header("range").is_none() {
            return reply(200, &[], &served);
        }
        let answer = ranged(&served, request);
        let is_third = request.header("range").is_some_and(|range| range.starts_with("bytes=2097152-3"));
        if is_third { answer[..answer.len() / 2].to_vec() } else { answer }
    });
    let web = repository(&in_ranges(), server.address(), "team/web");
    assert_eq!(download(&web, &layer(&content), watch(&())).unwrap(), content);
}

#[test]
fn ranges_are_left_alone_where_the_server_has_none() {
    let content = noise(3 << 20);
    let served = content.clone();
    let server = FaultyServer::start(move |_| reply(200, &[], &served));
    let web = repository(&in_ranges(), server.address(), "team/web");
    assert_eq!(download(&web, &layer(&content), watch(&())).unwrap(), content);
    assert_eq!(server.heard().len(), 1);
}

#[test]
fn many_large_blobs_share_the_memory_and_all_arrive() {
    let content = noise((4 << 20) + 5);
    let served = content.clone();
    let server = FaultyServer::start(move |request| match request.header("range") {
        Some(_) => ranged(&served, request),
        None => reply(200, &[], &served),
    });
    let web = repository(&in_ranges(), server.address(), "team/web");
    let blobs = vec![layer(&content); 6];
    let all = wharfie_content::parallel::in_parallel(&blobs, 6, |_, blob| download(&web, blob, watch(&()))).unwrap();
    assert!(all.iter().all(|bytes| *bytes == content));
    // A reader that is dropped half way gives its share back.
    for _ in 0..4 {
        drop(web.blob(&layer(&content), watch(&())).unwrap());
    }
    assert_eq!(download(&web, &layer(&content), watch(&())).unwrap(), content);
}
