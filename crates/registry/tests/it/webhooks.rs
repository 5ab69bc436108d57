//! Whoever wants to know is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::Value;
use wharfie_oci::pattern::Pattern;
use wharfie_registry::Webhook;

use crate::client::{Registry, Setup};

/// A receiver that answers with these statuses, one after the other, and gives what it was sent.
fn receiver(statuses: &'static [u16]) -> (String, thread::JoinHandle<Vec<(String, Value)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let receiving = thread::spawn(move || {
        let mut seen = Vec::new();
        for status in statuses {
            let (mut stream, _) = listener.accept().unwrap();
            seen.push(read(&mut stream));
            let answer = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
        seen
    });
    (url, receiving)
}

fn read(stream: &mut TcpStream) -> (String, Value) {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).unwrap();
        assert_ne!(count, 0, "a request ends early");
        all.extend_from_slice(&piece[..count]);
        let Some(end) = all.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(all[..end].to_vec()).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse::<usize>();
        if all.len() - end - 4 == length.unwrap() {
            return (head, serde_json::from_slice(&all[end + 4..]).unwrap());
        }
    }
}

fn registry(url: &str, repositories: &[&str]) -> Registry {
    let repositories = repositories.iter().map(|text| Pattern::new(text)).collect();
    let authorization = Some("Bearer abc".to_owned());
    let webhooks = vec![Webhook { url: url.to_owned(), repositories, authorization }];
    Registry::set_up(Setup { webhooks, ..Setup::default() })
}

#[test]
fn pushes_and_deletions_are_told() {
    let (url, receiving) = receiver(&[200, 202, 204]);
    let registry = registry(&url, &["team/*"]);
    registry.push_image("other", "1", "content");
    let digest = registry.push_image("team/app", "1", "content");
    registry.send("DELETE", "/v2/team/app/manifests/1", &[], b"").expect(202);
    registry.send("DELETE", &format!("/v2/team/app/manifests/{digest}"), &[], b"").expect(202);
    let seen = receiving.join().unwrap();
    let (head, pushed) = &seen[0];
    assert!(head.starts_with("post /hook http/1.1") && head.contains("authorization: bearer abc"), "{head}");
    assert!(head.contains("content-type: application/vnd.docker.distribution.events.v1+json"), "{head}");
    let event = &pushed["events"][0];
    assert_eq!((&event["action"], &event["target"]["repository"]), (&"push".into(), &"team/app".into()));
    assert_eq!((&event["target"]["digest"], &event["target"]["tag"]), (&digest.as_str().into(), &"1".into()));
    assert_eq!(event["request"]["method"], "PUT");
    assert!(event["target"]["size"].as_u64().is_some_and(|size| size > 100), "{event}");
    let (untagged, removed) = (&seen[1].1["events"][0], &seen[2].1["events"][0]);
    assert_eq!((&untagged["action"], &untagged["target"]["tag"]), (&"delete".into(), &"1".into()));
    assert_eq!((&removed["action"], &removed["target"]["digest"]), (&"delete".into(), &digest.as_str().into()));
}

#[test]
fn a_receiver_that_fails_is_told_again() {
    let (url, receiving) = receiver(&[500, 429, 503, 200, 400, 200]);
    let registry = registry(&url, &[]);
    for tag in ["1", "2", "3"] {
        registry.push_image("a", tag, "content");
    }
    let seen = receiving.join().unwrap();
    let tags: Vec<&str> = seen.iter().map(|(_, told)| told["events"][0]["target"]["tag"].as_str().unwrap()).collect();
    // What is refused as such is not sent again, and comes in no one's way.
    assert_eq!(tags, ["1", "1", "1", "1", "2", "3"]);
    assert_eq!(seen[0].1["events"][0]["id"], seen[3].1["events"][0]["id"]);
}

#[test]
fn nobody_waits_for_a_receiver_that_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    // It takes connections and never answers.
    let registry = registry(&url, &[]);
    let image = registry.image("a", "content");
    for n in 0..60 {
        registry.push_manifest("a", &format!("t{}", n % 3), &image);
    }
    registry.get("/v2/a/manifests/t1").expect(200);
}
