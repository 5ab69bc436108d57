//! "Listing Tags", the catalog, and searching.

use serde_json::json;

use crate::client::Registry;

#[test]
fn tags_come_in_order_and_in_pages() {
    let registry = Registry::start();
    let image = registry.image("a", "content");
    for tag in ["b", "a", "C", "1.10", "1.2", "_x"] {
        registry.push_manifest("a", tag, &image);
    }
    let list = |query: &str| registry.get(&format!("/v2/a/tags/list{query}")).expect(200);
    let all = json!(["1.10", "1.2", "C", "_x", "a", "b"]);
    assert_eq!(list("").json(), json!({ "name": "a", "tags": all }));
    let reply = list("?n=2");
    assert_eq!(reply.json()["tags"], json!(["1.10", "1.2"]));
    assert_eq!(reply.header("link"), Some("</v2/a/tags/list?n=2&last=1.2>; rel=\"next\""));
    let reply = list("?n=4&last=1.2");
    assert_eq!((reply.json()["tags"].clone(), reply.header("link")), (json!(["C", "_x", "a", "b"]), None));
    assert_eq!(list("?n=0").json()["tags"], json!([]));
    assert_eq!(list("?last=D").json()["tags"], json!(["_x", "a", "b"]));
    assert_eq!(list(&format!("?last={}", "z".repeat(3000))).json()["tags"], json!([]));
    assert_eq!(list("?n=99999999999999999999").json()["tags"], all);
    registry.get("/v2/a/tags/list?n=x").refuses(400, "PAGINATION_NUMBER_INVALID");
    registry.get("/v2/a/tags/list?n=-1").refuses(400, "PAGINATION_NUMBER_INVALID");
    registry.get("/v2/b/tags/list").refuses(404, "NAME_UNKNOWN");
    // A new tag is seen at once, and so is one that went.
    registry.push_manifest("a", "new", &image);
    registry.send("DELETE", "/v2/a/manifests/a", &[], b"").expect(202);
    assert_eq!(list("?last=_x").json()["tags"], json!(["b", "new"]));
}

#[test]
fn the_catalog_comes_in_pages_that_add_up() {
    let registry = Registry::start();
    for name in ["b", "a", "a/b", "a-b", "a.b", "c/d/e"] {
        registry.push_image(name, "1", "content");
    }
    let mut target = "/v2/_catalog?n=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let reply = registry.get(&target).expect(200);
        let page = reply.json()["repositories"].as_array().unwrap().clone();
        assert!(page.len() <= 2);
        seen.extend(page);
        let Some(link) = reply.header("link") else { break };
        target = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    assert_eq!(json!(seen), json!(["a", "a/b", "a-b", "a.b", "b", "c/d/e"]));
}

#[test]
fn repositories_are_found_by_a_part_of_their_name() {
    let registry = Registry::start();
    for name in ["team/web", "team/api", "webby"] {
        registry.push_image(name, "1", "content");
    }
    let found = registry.get("/v1/search?q=web&n=25").expect(200).json();
    let names: Vec<_> = found["results"].as_array().unwrap().iter().map(|result| result["name"].clone()).collect();
    assert_eq!((json!(names), found["num_results"].clone()), (json!(["team/web", "webby"]), json!(2)));
}

#[test]
fn what_it_does_is_counted() {
    let registry = Registry::start();
    registry.push_image("a", "1", "content");
    registry.get("/v2/a/manifests/none").expect(404);
    let reply = registry.get("/metrics").expect(200);
    let text = String::from_utf8(reply.body).unwrap();
    for line in [
        "wharfie_registry_requests_total{method=\"PUT\",code=\"201\"} 1\n",
        "wharfie_registry_requests_total{method=\"GET\",code=\"404\"} 1\n",
        "wharfie_registry_receiving_uploads 0\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}
