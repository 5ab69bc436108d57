//! The pages of `serve` in a real browser.

use serde_json::json;
use wharfie_testkit::{Browser, Image, archive, browser};

use crate::host;
use crate::served::{Served, ask};

/// A server with an image whose words would run if they were markup.
fn served(host: &wharfie_testkit::Host) -> Served {
    let registry = Served::start(host, &[]);
    let image = Image::busybox()
        .with_config("Labels", json!({ "team": "<script>document.title='taken'</script>" }))
        .with_step("ENV NAME=<img src=x onerror=document.title='taken'>");
    let name = registry.name("team/web:1");
    let client = crate::host();
    client.run_with(&["load", "-q"], &archive(&[(&image, &[&name])])).succeeds();
    client.run(&["push", "-q", &name]).succeeds();
    registry
}

#[test]
fn a_browser_shows_what_was_pushed_and_runs_none_of_it() {
    let Some(browser) = Browser::get() else { return };
    let host = host();
    let registry = served(&host);
    // What a browser refuses is seen here: a page of our own that breaks its own policy.
    let breach =
        "data:text/html,<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\"><p style=color:red>x";
    assert_eq!(browser.load(&[], breach).console.len(), 1);
    let pull = format!("docker pull {}", registry.name("team/web:1"));
    let pages = [
        ("/", "team/web"),
        ("/ui/team/web", ">1</a>"),
        ("/ui/team/web/-/1", pull.as_str()),
        ("/ui/none", "nothing here"),
    ];
    for (target, words) in pages {
        let loaded = browser.load(&[], &format!("http://{}{target}", registry.address));
        assert!(loaded.dom.contains(words), "{target}: {}", loaded.dom);
        // The policy lets no script run, so what is here needs none.
        let complaints: Vec<&String> = loaded.console.iter().filter(|line| !line.contains("404 (Not Found)")).collect();
        assert!(complaints.is_empty(), "{target}: {complaints:?}");
        assert!(!loaded.dom.contains("<script") && !loaded.dom.contains("<title>taken"), "{}", loaded.dom);
    }
    let shown = browser.load(&["--lang=zh-CN", "--accept-lang=zh-CN"], &format!("http://{}/", registry.address));
    assert!(shown.dom.contains("<h1>仓库</h1>"), "{}", shown.dom);
    let log = registry.end().1;
    assert!(!log.contains("error"), "{log}");
}

#[test]
fn pages_are_light_or_dark_as_the_browser_is() {
    let Some(browser) = Browser::get() else { return };
    let host = host();
    let registry = served(&host);
    let url = format!("http://{}/ui/team/web/-/1", registry.address);
    let light = browser.picture(&[browser::LIGHT], &url);
    let dark = browser.picture(&[browser::DARK], &url);
    assert!(light.corner.iter().all(|part| *part > 0xe0), "{:?}", light.corner);
    assert!(dark.corner.iter().all(|part| *part < 0x30), "{:?}", dark.corner);
}

#[test]
fn the_api_answers_beside_the_pages() {
    let host = host();
    let registry = served(&host);
    let get = |target: &str| ask(&registry.address, "GET", target, &[], b"").expect("it answers");
    let shown = get("/ui/team/web/-/1").expect(200);
    let shown = String::from_utf8_lossy(&shown.body).into_owned();
    assert!(shown.contains(&registry.name("team/web:1")) && shown.contains("&lt;script&gt;"), "{shown}");
    assert_eq!(get("/v2/").expect(200).header("content-type"), Some("application/json"));
    assert_eq!(get("/healthz").expect(200).body, b"ok\n");
}
