//! Tag lists in pages, and in circles.

use wharfie_testkit::FaultyServer;
use wharfie_testkit::faulty_server::{Heard, reply};

use crate::fixtures::web;

fn page(tags: &str, next: Option<&str>) -> Vec<u8> {
    let link = next.map(|next| format!("<{next}>; rel=\"next\""));
    let headers: Vec<(&str, &str)> = link.iter().map(|link| ("Link", &**link)).collect();
    reply(200, &headers, format!("{{\"name\":\"team/web\",\"tags\":{tags}}}").as_bytes())
}

fn listed(answer: impl Fn(&Heard) -> Vec<u8> + Send + Sync + 'static) -> (Vec<String>, usize) {
    let server = FaultyServer::start(answer);
    (web(server.address()).tags().expect("the registry lists tags"), server.heard().len())
}

#[test]
fn pages_are_followed_in_the_registrys_order() {
    let (tags, requests) = listed(|request| match request.target.as_str() {
        "/v2/team/web/tags/list" => page(r#"["b","a"]"#, Some("/v2/team/web/tags/list?last=a&n=2")),
        "/v2/team/web/tags/list?last=a&n=2" => page("[]", Some("?last=a&n=2&empty=1")),
        _ => page(r#"["c","a"]"#, None),
    });
    assert_eq!((tags.join(" "), requests), ("b a c".to_owned(), 3));
}

#[test]
fn circles_end() {
    let (tags, requests) = listed(|_| page(r#"["a"]"#, Some("/v2/team/web/tags/list")));
    assert_eq!((tags.join(" "), requests), ("a".to_owned(), 1));
    let (tags, requests) = listed(|request| page(r#"["a"]"#, Some(&format!("/v2/x{}", request.target.len()))));
    assert_eq!(tags, ["a"]);
    assert!(requests < 10, "{requests}");
}

#[test]
fn pages_elsewhere_are_not_followed() {
    let elsewhere = FaultyServer::start(|_| page(r#"["b"]"#, None));
    let next = format!("http://{}/more", elsewhere.address());
    let (tags, _) = listed(move |_| page(r#"["a"]"#, Some(&next)));
    assert_eq!((tags.len(), elsewhere.heard().len()), (1, 0));
}

#[test]
fn no_tags_are_a_list_too() {
    assert_eq!(listed(|_| page("null", None)).0, [""; 0]);
}
