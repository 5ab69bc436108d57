//! Pages for people: who may see which, how they may be asked for, and what browsers are told.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use wharfie_oci::Digest;
use wharfie_oci::pattern::Pattern;
use wharfie_registry::auth::htpasswd::Users;
use wharfie_registry::auth::{Access, Actions, Rule};
use wharfie_registry::{Limits, Rate};

use crate::client::{OCI_MANIFEST, Registry, Reply, Setup};
use crate::pages::{CONFIG, page, part, shows, text};

#[test]
fn pages_are_only_read_and_run_nothing() {
    let registry = Registry::start();
    registry.push_image("a", "1", "content");
    for target in ["/", "/ui/a", "/ui/a/-/1", "/ui/a/-/1?raw=1", "/ui/none", "/ui/-/style.css"] {
        let reply = registry.get(target);
        let policy = reply.header("content-security-policy").unwrap();
        shows(policy, &["default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]);
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(
            (reply.header("x-frame-options"), reply.header("referrer-policy")),
            (Some("DENY"), Some("no-referrer"))
        );
        assert!(!text(&reply).contains("style=") && !text(&reply).contains("<script"), "{target}");
        // Its head is the same without it.
        let head = registry.send("HEAD", target, &[], b"");
        assert_eq!((head.status, head.body.len()), (reply.status, 0), "{target}");
        for name in ["content-length", "content-type"] {
            assert_eq!(head.header(name), reply.header(name), "{target}");
        }
        assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let refused = registry.send(method, target, &[], b"").expect(405);
            assert_eq!(refused.header("allow"), Some("GET, HEAD"), "{method} {target}");
            shows(&text(&refused), &["Pages are only read"]);
        }
    }
    let style = registry.get("/ui/-/style.css").expect(200);
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    shows(&text(&style), &["prefers-color-scheme: dark"]);
    shows(&page(&registry, "/", 200), &["<link rel=\"stylesheet\" href=\"/ui/-/style.css\">"]);
}

#[test]
fn who_asks_for_pages_too_often_waits() {
    let rate = Rate { requests: 2, per: std::time::Duration::from_secs(3600) };
    let registry = Registry::with(Limits { rate: Some(rate), ..Limits::default() });
    page(&registry, "/", 200);
    registry.get("/ui/-/style.css").expect(200);
    let refused = registry.get("/").expect(429);
    assert!(refused.header("retry-after").is_some());
    shows(&text(&refused), &["Too many requests"]);
}

fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{user}-secret")))
}

fn ruled(rules: &[(&str, &[&str], Actions)], url: Option<&str>) -> Registry {
    let line = |user: &str| format!("{user}:{}\n", bcrypt::hash(format!("{user}-secret"), 4).unwrap());
    let users = Users::parse(&(line("ada") + &line("bob"))).unwrap();
    let rule = |(pattern, users, actions): &(&str, &[&str], Actions)| Rule {
        repositories: vec![Pattern::new(pattern)],
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        actions: *actions,
    };
    let rules = rules.iter().map(rule).collect();
    let access = Arc::new(Access::Ruled { users: Box::new(users), rules, url: url.map(str::to_owned) });
    Registry::set_up(Setup { access, ..Setup::default() })
}

fn as_user(registry: &Registry, user: &str, method: &str, target: &str, body: &[u8]) -> Reply {
    let headers = [("Authorization", basic(user)), ("Content-Type", OCI_MANIFEST.to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    registry.send(method, target, &headers, body)
}

/// An image of nothing, pushed as a user.
fn put(registry: &Registry, user: &str, name: &str) {
    let config = b"{}";
    let target = format!("/v2/{name}/blobs/uploads/?digest={}", Digest::of(config));
    as_user(registry, user, "POST", &target, config).expect(201);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": part(CONFIG, &Digest::of(config), 2), "layers": [],
    });
    as_user(registry, user, "PUT", &format!("/v2/{name}/manifests/1"), manifest.to_string().as_bytes()).expect(201);
}

#[test]
fn pages_show_what_the_caller_may_pull() {
    let rules: [(&str, &[&str], Actions); 2] =
        [("team/*", &["ada"], Actions::ALL), ("open/*", &["ada", "bob"], Actions::ALL)];
    let registry = ruled(&rules, Some("https://hub.example/"));
    put(&registry, "ada", "team/secret");
    put(&registry, "ada", "open/tool");
    // A browser is asked for a password, a client of the API for a token.
    for target in ["/", "/ui/team/secret", "/ui/open/tool/-/1", "/ui/none"] {
        let refused = registry.get(target).expect(401);
        assert_eq!(refused.all("www-authenticate"), ["Basic realm=\"registry\", charset=\"UTF-8\""], "{target}");
        shows(&text(&refused), &["Log in to see this"]);
    }
    assert!(!text(&registry.get("/")).contains("secret"));
    assert!(registry.get("/v2/").expect(401).header("www-authenticate").unwrap().starts_with("Bearer "));
    let wrong = format!("Basic {}", STANDARD.encode("ada:wrong"));
    let refused = registry.send("GET", "/", &[("Authorization", &wrong)], b"").expect(401);
    assert_eq!(refused.all("www-authenticate").len(), 1);
    let shown =
        |user: &str, target: &str, status: u16| text(&as_user(&registry, user, "GET", target, b"").expect(status));
    shows(&shown("ada", "/", 200), &["/ui/team/secret", "/ui/open/tool"]);
    let list = shown("bob", "/", 200);
    assert!(list.contains("/ui/open/tool") && !list.contains("secret"), "{list}");
    assert!(!shown("bob", "/?q=secret", 200).contains("/ui/team"));
    // One's own refusal is the API's, whether there is something or not.
    for target in ["/ui/team/secret", "/ui/team/secret/-/1", "/ui/team/secret/-/1?raw=1", "/ui/team/none"] {
        shows(&shown("bob", target, 403), &["You may not see this"]);
    }
    shows(&shown("bob", "/ui/open/tool/-/1", 200), &["docker pull hub.example/open/tool:1"]);
    shown("bob", "/ui/open/none", 404);
    // The style has nothing to hide.
    registry.get("/ui/-/style.css").expect(200);
}

#[test]
fn who_may_read_without_a_password_is_not_asked_for_one() {
    let rules: [(&str, &[&str], Actions); 2] = [("**", &["ada"], Actions::ALL), ("open/*", &[""], Actions::PULL)];
    let registry = ruled(&rules, None);
    put(&registry, "ada", "team/secret");
    put(&registry, "ada", "open/tool");
    let list = page(&registry, "/", 200);
    shows(&list, &["/ui/open/tool", "href=\"/?login=1\">Log in</a>"]);
    assert!(!list.contains("secret"), "{list}");
    shows(&page(&registry, "/ui/open/tool", 200), &["/ui/open/tool/-/1"]);
    registry.get("/ui/team/secret").expect(401);
    let refused = registry.get("/?login=1").expect(401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic "));
    let known = text(&as_user(&registry, "ada", "GET", "/?login=1", b"").expect(200));
    assert!(known.contains("/ui/team/secret") && !known.contains("Log in"), "{known}");
}

#[test]
fn a_host_that_is_none_does_not_come_back() {
    let registry = Registry::start();
    registry.push_image("a", "1", "content");
    let reply = registry.raw(b"GET /ui/a/-/1 HTTP/1.1\r\nHost: a\"><script>\r\nConnection: close\r\n\r\n");
    assert!(reply.status == 400 || text(&reply).contains("docker pull localhost/a:1"), "{}", text(&reply));
    let reply = registry.raw(b"GET /ui/a/-/1 HTTP/1.1\r\nHost: hub.example:5000\r\nConnection: close\r\n\r\n");
    shows(&text(&reply), &["<pre>docker pull hub.example:5000/a:1</pre>"]);
}

#[test]
fn pages_of_other_sites_change_nothing_with_the_password_of_ours() {
    let registry = Registry::start();
    let begin = |origin: &str| registry.send("POST", "/v2/a/blobs/uploads/", &[("Origin", origin)], b"");
    for origin in ["http://evil.example", "null", "http://test.evil.example", "test", ""] {
        begin(origin).refuses(403, "DENIED");
    }
    begin("http://test").expect(202);
    registry.begin_upload("a");
    registry.send("GET", "/v2/", &[("Origin", "http://evil.example")], b"").expect(200);
}
